/**
 * What a hosted version of a whole model does, whichever scheduler its configuration asks for: takes requests in, answers each
 * once (a decoupled model any number of times), counts. Adapters: `batch/` (default and dynamic batching), `sequence/` (stateful
 * models), `ensemble/`, `backend/` (models that answer through senders). Made by `node-agent/models/open-engine.ts`.
 */

import type { Upcalls } from "../../core/messages/calling-request.ts";
import type { InferSubmit } from "../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../core/messages/infer-sink.ts";
import type { ModelStatistics } from "./statistics.ts";

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
