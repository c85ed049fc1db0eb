/** What the KServe doors ask for when they want tensors: the port between protocols and the serving core. */
import type { Memory } from "../../core/bytes/lent-memory.ts";
import type { ServingError } from "../../core/errors.ts";
import type { ParameterValue } from "../../core/messages/parameter-value.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { KeyBudget } from "../quotas/budgets.ts";
import type { RouteExplanation } from "../routing/route-explanation.ts";

/** As parsed from a client's bytes; not yet checked against the model: `infer` does that, with Triton's texts. */
export interface InferRequest {
  readonly model: string;
  /** undefined: the highest ready version. */
  readonly version: number | undefined;
  /** Empty: the client gave none. */
  readonly id: string;
  readonly tenant: string;
  /** Of the caller's API key; undefined: without limits. */
  readonly budget?: KeyBudget | undefined;
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly priority: number;
  readonly timeoutUs: number;
  readonly inputs: readonly Tensor[];
  /** Empty: all. */
  readonly outputs: readonly string[];
  readonly deadlineMs: number | undefined;
  readonly traceparent: string;
  /** How many calls it is inside of: an ensemble's step in one; none unless said. */
  readonly depth?: number;
  /** Present: the caller wants to know where it went, and why. */
  readonly explanation?: RouteExplanation | undefined;
  /** Of the inputs: whoever has made the one answer of them, and knows that nobody else reads them, releases it; all others leave it alone. */
  readonly memory?: Memory | undefined;
}

export interface InferResponse {
  readonly model: string;
  readonly version: string;
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly outputs: readonly Tensor[];
  /** Of the outputs, where it is used again: to be released when they have left. */
  readonly memory?: Memory | undefined;
}

/** One of any number of answers to a request. */
export interface DecoupledResponse extends InferResponse {
  /** Instead of outputs: this answer could not be made; others may follow. */
  readonly error?: ServingError;
  /** Nothing follows, as nothing does where the answers just end. Without outputs it says only this. */
  readonly isFinal?: boolean;
}

export interface Inference {
  /**
   * One response of a model that is not decoupled.
   * @throws ServingError with Triton's text: NOT_FOUND, INVALID_ARGUMENT, UNAVAILABLE, UNIMPLEMENTED for decoupled models.
   */
  infer(request: InferRequest, signal: AbortSignal): Promise<InferResponse>;
  /** Any number of answers of a decoupled model, pulled. @throws ServingError as `infer`; what the request failed with after some answers */
  responses(request: InferRequest, signal: AbortSignal): AsyncIterable<DecoupledResponse>;
}
