/** An inference between parts of one process: handed over as it is, answered once or any number of times, given up by its handle. */
import type { Memory } from "../bytes/lent-memory.ts";
import type { ServingError } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { InferTimes } from "./infer.ts";
import type { ParameterValues } from "./parameter-value.ts";

/** One of any number of answers to a request: its outputs in the order in which they were named, or why this one could not be made. */
export type Response = readonly Tensor[] | ServingError;

/**
 * Where a request's answer goes: one call of `answered`, `failed` or `moved`, a decoupled model's after any number of `respond`. Called
 * from the loop: must neither block nor throw.
 */
export interface InferSink {
  /**
   * In the order in which outputs were named; none where a decoupled model only says that this is the end. The bytes are views of a batch's: copy what is kept for long.
   * @param memory of the bytes, where it is used again: to be released when nobody reads them any more, or to be left alone
   */
  answered(outputs: readonly Tensor[], times: InferTimes, parameters?: ParameterValues, memory?: Memory): void;
  failed(error: ServingError): void;
  /** One of any number of answers. Without this only models that answer once can be asked. @returns false: no more before the handle's `resume` */
  respond?(response: Response, parameters?: ParameterValues): boolean;
  /** Instead of an answer: not executed, since the request's sequence belongs to `owner`. Without this it fails. */
  moved?(owner: string): void;
}

/** May be called at any time, after the end too. After a cancel the sink is not called any more. */
export interface InferHandle {
  cancel(): void;
  /** There is room for more after `respond` has said that there was none. Of models that answer once there is no such thing. */
  resume?(): void;
  /** The way to the sender is gone, which may ask again on another. Without this it is a cancel. */
  lost?(): void;
}
