/**
 * What a running request calls other models through: an ensemble its steps. Whether the model is on this node or elsewhere is not the
 * caller's matter. A call that waits holds nothing that others could need.
 */
import type { CallingRequest } from "../../core/messages/calling-request.ts";
import type { CalledInfer } from "../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../core/messages/infer-sink.ts";
import type { ModelControlRequest } from "../../core/messages/model-control.ts";

export interface ModelCall extends Omit<CalledInfer, "caller" | "depth"> {
  /** The version that answers on this node if it is hosted here; undefined: who answers is the gateway's to say, as of sequences. */
  readonly near: number | undefined;
}

/** What programs may ask besides: business logic loads and unloads models. */
export interface ModelControls {
  /** @returns whether the model is ready; true when it is loaded or unloaded @throws ServingError why it cannot be done */
  control(request: ModelControlRequest): Promise<boolean>;
}

export interface ModelCalls {
  /**
   * The sink hears one answer, never before this returns, and none after a cancel.
   * @throws ServingError when nothing was executed: the model refuses the request, is nowhere, or calls are nested too deep
   */
  call(call: ModelCall, from: CallingRequest, sink: InferSink): InferHandle;
}
