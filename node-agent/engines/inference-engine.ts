/**
 * What a hosted version of a whole model does, whichever scheduler its configuration asks for: takes requests in, answers each
 * once, counts. Adapters: `batch/` (default and dynamic batching), `sequence/` (stateful models),
 * `ensemble/`. Made by `node-agent/models/open-engine.ts`.
 */
import type { ServingError } from "../../core/errors.ts";
import type { InferSubmit, InferTimes } from "../../core/messages/infer.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Upcalls } from "../calls/model-calls.ts";
import type { ModelStatistics } from "./statistics.ts";

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

export interface EngineLoad {
  /** Requests that wait. */
  readonly queued: number;
  /** When the oldest that waits came, where the engine keeps that. */
  readonly queuedSinceMs?: number;
  /** Requests that run. */
  readonly running: number;
  /** Processes that run it now; absent where it has none of its own. */
  readonly pids?: readonly number[];
}

/** Disposing it fails what is left and ends its runners; resolves when they are gone. */
export interface InferenceEngine extends AsyncDisposable {
  /**
   * Takes a request in; its one answer comes later, never before this returns.
   * @throws ServingError INVALID_ARGUMENT when it does not fit the model, UNAVAILABLE when the queue is full or the engine drains:
   * nothing has been executed; counted as a failure
   * @param upcalls the way to models on other nodes, for engines that call models
   */
  infer(submit: InferSubmit, sink: InferSink, upcalls?: Upcalls): InferHandle;
  load(): EngineLoad;
  statistics(): ModelStatistics;
  /** Takes nothing in any more; resolves when all that was taken in is answered. */
  drain(): Promise<void>;
}
