/**
 * What runs models that are no file of a runtime: the seam behind which Triton's sample backends stand here, and interpreters of
 * other languages in processes of their own. A request comes with a sender, as in Triton's backend API; its answers go through it, while
 * the batch is executed or after. Every adapter passes `test/contract/backend.ts`.
 */
import type { Clock } from "../../core/clock.ts";
import type { ServingError } from "../../core/errors.ts";
import type { CallingRequest } from "../../core/messages/calling-request.ts";
import type { ParameterValues } from "../../core/messages/parameter-value.ts";
import type { ModelConfiguration } from "../../core/model/config/configuration.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { WarmUp } from "../engines/batch/batch-plan.ts";

/** One answer: its outputs, or why this one could not be made. The bytes must not change any more. */
export type BackendResponse = readonly Tensor[] | ServingError;

/** The way back to whoever asked. Every request must come to its `end`; what comes after that is refused. */
export interface ResponseSender {
  /** Nobody wants the answer any more: what is sent is dropped. */
  readonly isCanceled: boolean;
  /** Aborts when the request is canceled. */
  readonly signal: AbortSignal;
  /**
   * An answer; any number of them where the model is decoupled, else one.
   * @param parameters of the answer, for its client; an error has none
   * @returns undefined: the next may be sent at once; else what resolves when it may, or when the request is canceled
   * @throws ServingError FAILED_PRECONDITION when the request has ended, or may not be answered again
   */
  send(response: BackendResponse, parameters?: ParameterValues): Promise<void> | undefined;
  /** No more answers than this one, if it is given. @throws ServingError as `send` */
  end(last?: BackendResponse, parameters?: ParameterValues): void;
}

export interface BackendRequest {
  /** The client's; may be empty. */
  readonly id: string;
  readonly parameters: ParameterValues;
  /** In the order of the model's inputs; optional ones may be missing. With the batch dimension where the model has one. */
  readonly inputs: readonly Tensor[];
  /** Names of wanted outputs: answers hold these, in this order. */
  readonly outputs: readonly string[];
  /** In the queue, microseconds; 0: none asked for. */
  readonly timeoutUs: number;
  /** Itself as the caller of other models; undefined: it is nobody's, as of a warm-up. */
  readonly from: CallingRequest | undefined;
  readonly sender: ResponseSender;
}

export interface BackendInstance extends AsyncDisposable {
  /** Of its process, if it has one now. */
  readonly pid?: number | undefined;
  /**
   * Takes a batch in; resolves when the instance may take the next one. Requests may be answered after that. A rejection fails those
   * that have not ended.
   */
  execute(requests: readonly BackendRequest[]): Promise<void>;
}

export interface BackendModel {
  readonly configuration: ModelConfiguration;
  readonly version: string;
  /** The configuration as clients are told it. */
  readonly configJson: string;
  /** Path of the version's model file; empty for backends without files. */
  readonly file: string;
  /** Run before it takes requests. */
  readonly warmUps: readonly WarmUp[];
}

export interface Backend {
  /**
   * Instance `number` of a model, ready to execute.
   * @throws ServingError why the model cannot be served; the signal's reason
   */
  open(model: BackendModel, number: number, signal: AbortSignal): Promise<BackendInstance>;
}

export interface BackendDeps {
  readonly clock: Clock;
}
