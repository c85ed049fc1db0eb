/** A request whose model calls other models: on whose behalf, and the way to models that its node does not host. */
import type { CalledInfer, InferSubmit } from "./infer.ts";
import type { InferHandle, InferSink } from "./infer-sink.ts";

/** On whose behalf: its calls have the same tenant, trace and deadline. */
export interface CallingRequest {
  readonly submit: InferSubmit;
  /** On the node's clock; undefined: none. */
  readonly deadlineMs: number | undefined;
  /** The way to models elsewhere; undefined: there is none. */
  readonly upcalls: Upcalls | undefined;
}

/** Brings the calls of one request to its gateway. */
export interface Upcalls {
  call(call: Omit<CalledInfer, "caller">, sink: InferSink): InferHandle;
}
