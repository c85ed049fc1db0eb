/** A request for inference on its way through this door: found its model, made into what the serving core takes, its answers named. */
import type { Lease } from "../../core/bytes/lent-memory.ts";
import { ServingError } from "../../core/errors.ts";
import type { ParameterValues } from "../../core/messages/parameter-value.ts";
import { NO_SPAN, type Span } from "../../core/telemetry/tracing.ts";
import type { GrpcCall } from "../grpc/method.ts";
import { traceparentOf } from "../http/traceparent.ts";
import { forwardHeaders } from "../kserve/infer/request-parameters.ts";
import type { SharedMemoryRegions } from "../kserve/shared-memory.ts";
import type { InferRequest, InferResponse } from "../serving/inference.ts";
import { failedIn } from "../tracing/traced-routes.ts";
import type { KserveGrpcDeps } from "./deps.ts";
import { inputTensors } from "./input-tensors.ts";
import { type FoundModel, findModel, parseVersion } from "./models.ts";
import { OutputWishes } from "./output-wishes.ts";
import type { WireInferRequest } from "./request-decoder.ts";
import { readParameters } from "./request-parameters.ts";
import type { InferAnswer } from "./response-encoder.ts";

/** To be disposed when its last answer is made. */
export interface InferCall extends Disposable {
  readonly request: InferRequest;
  readonly model: FoundModel;
  /** Whether the end of its answers is told by a message of its own where no tensor comes with it. */
  readonly emptyFinal: boolean;
  /** @throws ServingError what cannot be had as the client wants it */
  answer(response: InferResponse): InferAnswer;
  /** To be told of what ends it before its last answer. @returns the same, as an error of ours */
  failed(thrown: unknown): ServingError;
}

/** @throws ServingError with Triton's text */
export function modelOf(deps: KserveGrpcDeps, wire: WireInferRequest): FoundModel {
  return findModel(deps, wire.model, parseVersion(wire.version));
}

/** @param memory of the request's bytes @throws ServingError with Triton's text */
export function inferCall(deps: KserveGrpcDeps, wire: WireInferRequest, model: FoundModel, call: GrpcCall, memory?: Lease): InferCall {
  const { values, priority, timeoutUs, emptyFinal } = readParameters(wire.parameters);
  const { forwardedHeaders } = deps;
  const parameters = forwardedHeaders === undefined ? values : withHeaders(values, call, forwardedHeaders);
  const regions = () => sharedMemoryFor(call, deps);
  const inputs = inputTensors(wire, model.view, regions);
  const wishes = new OutputWishes(wire, regions);
  const { id } = wire;
  const span = beginSpan(deps, wire, call);
  let failure: ServingError | undefined;
  return {
    model,
    emptyFinal,
    request: {
      model: wire.model,
      version: wire.version === "" ? undefined : Number(wire.version),
      id,
      tenant: call.tenant,
      budget: call.budget,
      explanation: call.explanation,
      parameters,
      priority,
      timeoutUs,
      inputs,
      outputs: wishes.names,
      deadlineMs: call.deadlineMs,
      traceparent: span.traceparent,
      memory,
    },
    answer: ({ model: name, version, parameters, outputs }) => ({
      model: name,
      version,
      id,
      parameters,
      outputs: wishes.fulfil(outputs, model.view),
    }),
    failed(thrown) {
      failure = ServingError.from(thrown);
      failedIn(span.traceparent === "" ? traceparentOf(call) : span.traceparent, failure);
      return failure;
    },
    [Symbol.dispose]() {
      wishes[Symbol.dispose]();
      if (span !== NO_SPAN) endSpan(deps, span, failure);
    },
  };
}

/** @throws ServingError INVALID_ARGUMENT for a header with a name that Triton gives a meaning */
function withHeaders(values: ParameterValues, call: GrpcCall, forwarded: RegExp): ParameterValues {
  const all = new Map(values);
  forwardHeaders(call.headers(), forwarded, all);
  return all;
}

function beginSpan({ tracing }: KserveGrpcDeps, { model }: WireInferRequest, call: GrpcCall): Span {
  if (tracing === undefined || tracing.isOff) return NO_SPAN;
  const startMs = tracing.clock.now();
  const attributes = { "rpc.system": "grpc", "rpc.service": "inference.GRPCInferenceService" };
  const span = tracing.begin(model, traceparentOf(call), { name: "InferRequest", startMs, attributes });
  span.event("GRPC_WAITREAD_END", startMs);
  return span;
}

function endSpan({ tracing }: KserveGrpcDeps, span: Span, failure: ServingError | undefined): void {
  const nowMs = tracing?.clock.now() ?? 0;
  span.event("GRPC_SEND_START", nowMs);
  span.end(nowMs, failure);
}

/** @throws ServingError UNIMPLEMENTED where it is off, PERMISSION_DENIED for clients on other machines: they share no memory with this one */
export function sharedMemoryFor({ fromLoopback }: GrpcCall, { tensors: { sharedMemory } }: KserveGrpcDeps): SharedMemoryRegions {
  sharedMemory.checkAllowed();
  if (fromLoopback) return sharedMemory;
  throw new ServingError("PERMISSION_DENIED", "shared memory is for clients on this machine: send the data in the request instead");
}
