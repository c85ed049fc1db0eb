/**
 * What a running request calls other models through: an ensemble its steps. Whether the model is on this node or elsewhere is not the
 * caller's matter. A call that waits holds nothing that others could need.
 */
import type { CalledInfer, InferSubmit } from "../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../core/messages/infer-sink.ts";

export interface ModelCall extends Omit<CalledInfer, "caller" | "depth"> {
  /** The version that answers on this node if it is hosted here; undefined: who answers is the gateway's to say, as of sequences. */
  readonly near: number | undefined;
}

/** On whose behalf: its calls have the same tenant, trace and deadline. */
export interface CallingRequest {
  readonly submit: InferSubmit;
  /** On the node's clock; undefined: none. */
  readonly deadlineMs: number | undefined;
  /** The way to models elsewhere; undefined: there is none. */
  readonly upcalls: Upcalls | undefined;
}

export interface ModelCalls {
  /**
   * The sink hears one answer, never before this returns, and none after a cancel.
   * @throws ServingError when nothing was executed: the model refuses the request, is nowhere, or calls are nested too deep
   */
  call(call: ModelCall, from: CallingRequest, sink: InferSink): InferHandle;
}

/** Brings the calls of one request to its gateway. */
export interface Upcalls {
  call(call: Omit<CalledInfer, "caller">, sink: InferSink): InferHandle;
}
