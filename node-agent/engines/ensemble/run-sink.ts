/** What a run inside an ensemble tells whoever started it. */
import type { ServingError } from "../../../core/errors.ts";
import type { InferTimes } from "../../../core/messages/infer.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";

/** What its steps took together. */
export type ComputeTimes = Omit<InferTimes, "queueUs">;

/** One call of `done` or `failed`, after any number of `respond`. */
export interface RunSink {
  done(outputs: readonly Tensor[], compute: ComputeTimes): void;
  /** What an answer of a decoupled step has come to. @returns false: no more before the run's `resume`, but what is on its way */
  respond(outputs: readonly Tensor[]): boolean;
  /** Steps that still ran have been given up. */
  failed(error: ServingError): void;
}
