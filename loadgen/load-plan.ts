/** What a load is to be: the model, the way to it, the levels and the data. Pure. */

import type { TensorFormats } from "../client/http/infer-body.ts";
import type { ParameterValue } from "../core/messages/parameter-value.ts";
import type { Shape } from "../core/tensor/tensor.ts";
import type { Level, MeasureOptions } from "./measure.ts";
import type { SequenceOptions } from "./sequences.ts";
import type { Search } from "./sweep.ts";

export const SERVICES = ["triton", "openai", "generate"] as const;
export type Service = (typeof SERVICES)[number];

export interface LoadPlan {
  readonly model: string;
  readonly version: string | undefined;
  readonly url: URL;
  readonly protocol: "http" | "grpc";
  readonly service: Service;
  readonly endpoint: string;
  readonly streaming: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly levels: readonly Level[];
  /** In which order they are measured; linear unless said. */
  readonly search?: Search;
  readonly measure: MeasureOptions;
  /** Milliseconds; higher levels are left out once one has passed it. */
  readonly latencyThresholdMs: number | undefined;
  readonly data:
    | { readonly kind: "zero" | "random" }
    | { readonly kind: "file"; readonly text: string }
    /** By the input's name. */
    | { readonly kind: "folder"; readonly files: ReadonlyMap<string, Uint8Array> };
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly stringLength: number;
  /** Instead of strings that are made up. */
  readonly stringData?: string | undefined;
  /** Sent with every inference. */
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
  /** Tensors go through the server's shared memory. */
  readonly shared?: { readonly outputBytes: number } | undefined;
  /** HTTP: whether tensors are bytes behind the JSON, or in it; bytes unless said. */
  readonly formats?: TensorFormats;
  /** gRPC: of requests; none unless said. */
  readonly compression?: "gzip" | "deflate" | undefined;
  /** Of models whose requests are steps of sequences. */
  readonly sequences?: SequenceOptions;
  readonly prompts: readonly string[];
  readonly maxTokens: number;
  /** Where the server's metrics are, and how often they are read; undefined: they are not. */
  readonly metrics: { readonly url: string; readonly intervalMs: number } | undefined;
}
