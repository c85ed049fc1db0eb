/** An inference between parts of one process: handed over as it is, answered once, given up by its handle. */
import type { ServingError } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { InferTimes } from "./infer.ts";

/** Where a request's answer goes: one call of one of these. Called from the loop: must neither block nor throw. */
export interface InferSink {
  /** In the order in which outputs were named. The bytes are views of a batch's: copy what is kept for long. */
  answered(outputs: readonly Tensor[], times: InferTimes): void;
  failed(error: ServingError): void;
  /** Instead of an answer: not executed, since the request's sequence belongs to `owner`. Without this it fails. */
  moved?(owner: string): void;
}

/** May be called at any time, after the end too. After a cancel the sink is not called any more. */
export interface InferHandle {
  cancel(): void;
  /** The way to the sender is gone, which may ask again on another. Without this it is a cancel. */
  lost?(): void;
}
