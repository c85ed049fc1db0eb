/** Answers calls on this node where it hosts the model, and sends the others to the gateway that the calling request came from. */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { CallingRequest } from "../../core/messages/calling-request.ts";
import { CALL_DEPTH_MAX, type InferSubmit } from "../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../core/messages/infer-sink.ts";
import { decodeJson } from "../../core/messages/json-message.ts";
import { ModelControlAnswer, type ModelControlRequest } from "../../core/messages/model-control.ts";
import { checkInferRequest, inSignatureOrder } from "../../core/model/check-inputs.ts";
import type { PublishedModel } from "../../core/model/published-model.ts";
import type { InferenceEngine } from "../engines/inference-engine.ts";
import type { Gateways } from "./gateways.ts";
import type { ModelCall, ModelCalls, ModelControls } from "./model-calls.ts";

/** A version that is ready on this node. */
export interface HostedVersion {
  readonly replica: string;
  readonly published: PublishedModel;
  readonly engine: InferenceEngine;
}

/** Of `true` or `false`. */
const ANSWER_BYTES_MAX = 16;

export class NodeCalls implements ModelCalls, ModelControls {
  readonly #hosted: (model: string, version: number) => HostedVersion | undefined;
  readonly #clock: Clock;
  readonly #gateways: Gateways;

  /** @param hosted of a version that is being reloaded the earlier load */
  constructor(hosted: (model: string, version: number) => HostedVersion | undefined, gateways: Gateways, clock: Clock) {
    this.#hosted = hosted;
    this.#gateways = gateways;
    this.#clock = clock;
  }

  async control(request: ModelControlRequest): Promise<boolean> {
    const what = `the ${request.ask === "ready" ? "state" : request.ask} of model '${request.model}'`;
    return decodeJson(ModelControlAnswer, await this.#gateways.ask(request, { what, bytesMax: ANSWER_BYTES_MAX }));
  }

  call(call: ModelCall, from: CallingRequest, sink: InferSink): InferHandle {
    const { near, ...content } = call;
    const depth = (from.submit.depth ?? 0) + 1;
    if (depth > CALL_DEPTH_MAX) {
      const message = `model '${call.model}' is not called: calls inside calls may be ${CALL_DEPTH_MAX} deep; do models call each other in a circle?`;
      throw new ServingError("FAILED_PRECONDITION", message, { reason: "call_depth" });
    }
    const remainingMs = this.#remaining(call, from);
    const here = near === undefined ? undefined : this.#hosted(call.model, near);
    if (here !== undefined) return callHere(here, content, { from, depth, remainingMs, sink });
    if (from.upcalls === undefined) {
      throw new ServingError("UNAVAILABLE", `model '${call.model}' is not ready on this node, and there is no way to another`);
    }
    return from.upcalls.call({ ...content, depth }, sink);
  }

  #remaining({ model }: ModelCall, { deadlineMs }: CallingRequest): number | undefined {
    if (deadlineMs === undefined) return undefined;
    const remainingMs = deadlineMs - this.#clock.now();
    if (remainingMs > 0) return remainingMs;
    throw new ServingError("DEADLINE_EXCEEDED", `the deadline passed before model '${model}' was called`);
  }
}

interface LocalCall {
  readonly from: CallingRequest;
  readonly depth: number;
  readonly remainingMs: number | undefined;
  readonly sink: InferSink;
}

/** No bytes are copied. */
function callHere(
  { replica, published, engine }: HostedVersion,
  { model: _model, version: _version, inputs, ...content }: Omit<ModelCall, "near">,
  { from, depth, remainingMs, sink }: LocalCall,
): InferHandle {
  checkInferRequest({ ...content, inputs }, published);
  const { tenant, traceparent } = from.submit;
  const submit: InferSubmit = {
    ...content,
    kind: "infer",
    replica,
    tenant,
    traceparent,
    remainingMs,
    depth,
    inputs: inSignatureOrder(inputs, published.inputs),
  };
  return engine.infer(submit, sink, from.upcalls);
}
