/**
 * What the doors ask for when they want text: the port between protocols and the serving core. Doors parse and encode; which
 * node works, how text becomes ids and where a stop string lies is decided behind this.
 */
import type { FinishReason } from "../../../core/messages/generation.ts";
import type { SamplingParameters } from "../../../core/model/sampling-parameters.ts";
import type { KeyBudget } from "../../quotas/budgets.ts";
import type { RouteExplanation } from "../../routing/route-explanation.ts";

/** A message of a chat, as chat templates read it; content is never null. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly name?: string;
}

export type Prompt =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "ids"; readonly ids: readonly number[] }
  | { readonly kind: "chat"; readonly messages: readonly ChatMessage[] };

/** Checked values only: the doors refuse the rest with their protocol's own message. */
export interface TextRequest {
  readonly model: string;
  readonly tenant: string;
  /** Of the caller's API key; undefined: without limits. */
  readonly budget?: KeyBudget | undefined;
  readonly prompt: Prompt;
  /** Continuations, 1 to 8. */
  readonly choices: number;
  /** undefined: until the context is full. */
  readonly tokensMax: number | undefined;
  readonly stop: readonly string[];
  readonly sampling: SamplingParameters;
  /** Milliseconds; undefined: none. */
  readonly deadlineMs: number | undefined;
  readonly traceparent: string;
  /** Present: the client may come back for the rest of the stream. The text is the door's own, and comes back with `started`. */
  readonly resumable?: string;
  /** Present: the caller wants to know where it went, and why. */
  readonly explanation?: RouteExplanation | undefined;
}

/** A client that comes back for the rest of its stream. */
export interface ResumeRequest {
  readonly generation: string;
  readonly tenant: string;
  /** Of the caller's API key; undefined: without limits. */
  readonly budget?: KeyBudget | undefined;
  /** By choice, up to which position it has been told; undefined: nothing at all, not even the stream's opening. */
  readonly told: readonly number[] | undefined;
  readonly traceparent: string;
  /** As in TextRequest. */
  readonly explanation?: RouteExplanation | undefined;
}

/** A token with its own bytes, so that pieces concatenate to the text's UTF-8. */
export interface TextToken {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly logprob: number | undefined;
  readonly topLogprobs: readonly { readonly id: number; readonly bytes: Uint8Array; readonly logprob: number }[];
}

export type TextEvent =
  /** The request is accepted; comes first. `model` is the name as served, `version` the one that runs. */
  | {
      readonly kind: "started";
      readonly generation: string;
      readonly model: string;
      readonly version: string;
      readonly promptTokens: number;
      /** The request's, when a client can come back for it. */
      readonly resumable?: string;
      readonly told?: boolean;
    }
  /**
   * Text that is final: no half characters, nothing that may turn out to be a stop string. Tokens that release no text come with
   * the next one that does. `position` is the last token's, and one more for what comes with the choice's end: with it everything
   * that the choice's tokens up to there release has been told. `told` is there in resumed streams: the client has it already, and
   * a delta ends where the client's last one did.
   */
  | {
      readonly kind: "delta";
      readonly choice: number;
      readonly text: string;
      readonly tokens: readonly TextToken[];
      readonly position: number;
      readonly told?: boolean;
    }
  /** `completionTokens` counts every token that was generated for this choice; `position` is one more than that. */
  | {
      readonly kind: "finished";
      readonly choice: number;
      readonly reason: FinishReason;
      readonly completionTokens: number;
      readonly position: number;
      readonly told?: boolean;
    };

export interface TextGeneration {
  /**
   * Pulled; leaving the loop or aborting the signal cancels down to the runner.
   * @throws ServingError before `started`: NOT_FOUND (reason `model_not_found`), INVALID_ARGUMENT (reason
   * `context_length_exceeded`, param `prompt`), RESOURCE_EXHAUSTED, UNAVAILABLE; after it: what ended the stream.
   */
  generate(request: TextRequest, signal: AbortSignal): AsyncIterable<TextEvent>;
  /**
   * A resumable generation's events from its beginning, with what the client has marked as told; it goes on here from now on, and
   * whoever read it before gets ABORTED (reason `resumed_elsewhere`).
   * @throws ServingError before `started`: NOT_FOUND (reason `generation_unknown`), also for another tenant's; DATA_LOSS (reason
   * `generation_lost`) when its lead is gone, UNAVAILABLE
   */
  resume(request: ResumeRequest, signal: AbortSignal): AsyncIterable<TextEvent>;
}

export type ModelReadiness =
  | { readonly kind: "ready" }
  | { readonly kind: "loading"; readonly detail: string }
  | { readonly kind: "failed"; readonly reason: string };

/** A language model as the doors present it. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly readiness: ModelReadiness;
  readonly contextLength: number | undefined;
  readonly quantization: string;
  /** Unix seconds since when this gateway knows it; stable. */
  readonly createdSeconds: number;
  /** Of all ready replicas, as they said last; undefined: not known. */
  readonly slots?: { readonly busy: number; readonly all: number };
  /** Which layers are where. */
  readonly shards: readonly {
    readonly node: string;
    readonly stage: number;
    readonly stages: number;
    readonly firstLayer: number;
    readonly endLayer: number;
    readonly state: string;
  }[];
}

/** The models that this cluster serves or is about to serve, as this gateway sees it now. */
export interface ModelDirectory {
  list(): readonly ServedModel[];
}
