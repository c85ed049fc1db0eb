/**
 * A generation on its way: the submit that a gateway sends to a lead, and the frames that come back over the link. The codecs are
 * `submit-codec.ts` and `answer-codec.ts`. Pure.
 */
import type { ErrorCode } from "../errors.ts";
import type { GenerationId } from "../ids.ts";
import type { SampledToken, SamplingParameters } from "../model/sampling-parameters.ts";
import type { InferSubmit, StatisticsRequest } from "./infer.ts";
import type { AskFilesRequest } from "./model-files.ts";
import type { ControlRequest, WatchRequest } from "./node-watch.ts";

export interface GenerationSubmit {
  readonly kind: "generate";
  readonly generation: GenerationId;
  readonly replica: string;
  readonly tenant: string;
  /** Milliseconds left until the client gives up; undefined: no deadline. */
  readonly remainingMs: number | undefined;
  /** W3C traceparent; empty when there is none. */
  readonly traceparent: string;
  readonly promptIds: Int32Array;
  /** How many continuations (`n`). */
  readonly choices: number;
  /** Tokens per choice, at least 1. */
  readonly tokensMax: number;
  /** Ids that end a choice. The id itself is emitted as its last token. */
  readonly stopIds: readonly number[];
  readonly sampling: SamplingParameters;
  /** By choice, for a generation that goes on where another lead had to stop; choices beyond the list begin at their beginning. */
  readonly begun: readonly BegunChoice[];
  /**
   * Present: the lead runs it on while nobody reads, and keeps what came, for clients that come back. The text is the gateways' own:
   * what one needs besides the ids to write the stream on.
   */
  readonly resumable?: string;
  /** Another replica could go on with it: when the lead loses its stages it fails at once instead of waiting for new ones. */
  readonly movable?: boolean;
}

/** What there is of a choice already. Its tokens are given again to no one: the next one comes at position `outputIds.length`. */
export interface BegunChoice {
  readonly outputIds: Int32Array;
  /** Nothing more is wanted of it. */
  readonly over: boolean;
}

/** Numbers of the choices that are not over. */
export function openChoices({ choices, begun }: GenerationSubmit): readonly number[] {
  return Array.from({ length: choices }, (_, choice) => choice).filter((choice) => begun[choice]?.over !== true);
}

/** Asks the agent for a model's text bundle; answered by `part` frames and the stream's end. */
export interface TextBundleRequest {
  readonly kind: "text-bundle";
  readonly digest: string;
}

/**
 * Asks a lead for a resumable generation that it runs or keeps: it answers `accepted`, the submit as it has it (`attached-head.ts`),
 * its tokens from the given positions on, and goes on as with a submit. Who was attached before is reset with TAKEN_OVER.
 */
export interface AttachRequest {
  readonly kind: "attach";
  readonly generation: GenerationId;
  /** Another tenant's is not known to it. */
  readonly tenant: string;
  /** By choice, how many tokens the asker has; beyond the list none. */
  readonly from: readonly number[];
}

/** What a gateway can start a stream with, over the bus or as the stream's first frame. */
export type SubmitBody =
  | GenerationSubmit
  | AttachRequest
  | TextBundleRequest
  | InferSubmit
  | StatisticsRequest
  | WatchRequest
  | ControlRequest
  | AskFilesRequest;

/** A submit on the bus says to which stream of which link session its answer goes. */
export interface Submit {
  readonly session: string;
  readonly number: number;
  readonly body: SubmitBody;
}

export type FinishReason = "stop" | "length";

export interface ChoiceToken extends SampledToken {
  readonly choice: number;
  readonly position: number;
}

/** Why an agent did not execute: another node may. */
export type RefusalReason =
  | "draining"
  | "full"
  | "not-here"
  | "not-ready"
  /** The request is a step of a sequence that belongs to another one, whom the message names. May come after `accepted`, too. */
  | "not-owner";

/** Agent → gateway. The first one is `accepted` or `refused`. */
export type AnswerFrame =
  | { readonly kind: "accepted"; readonly queued: number }
  | { readonly kind: "refused"; readonly reason: RefusalReason; readonly message: string }
  | { readonly kind: "tokens"; readonly tokens: readonly ChoiceToken[] }
  | { readonly kind: "finished"; readonly choice: number; readonly reason: FinishReason }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string; readonly reason?: string; readonly param?: string }
  /** The next bytes of an answer that is one whole: a text bundle, an inference's result, statistics. The stream's end ends it. */
  | { readonly kind: "part"; readonly bytes: Uint8Array }
  /** One of any number of answers (`InferResult`), after parts that hold its first bytes. Nothing follows a final one. */
  | { readonly kind: "response"; readonly isFinal: boolean; readonly bytes: Uint8Array }
  /** One of any number of answers, which failed; others may follow. */
  | { readonly kind: "failed-response"; readonly code: ErrorCode; readonly message: string };

/** Why an agent resets the stream of a reader that is too slow. */
export const UNREAD = "the reader did not read for 30 s";
/** Why an agent resets the stream of a generation that another stream has been attached to. */
export const TAKEN_OVER = "the stream was taken up over another connection";

/** Gateway → agent, on a running stream. */
export interface CancelChoice {
  readonly kind: "cancel-choice";
  readonly choice: number;
}
