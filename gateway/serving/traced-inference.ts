/** An inference as a part of a trace: from its arrival at the serving core until its result is here, with Triton's timestamps. */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { InferTimes } from "../../core/messages/infer.ts";
import type { Span, Tracer } from "../../core/telemetry/tracing.ts";
import type { InferRequest } from "./inference.ts";
import type { ModelView } from "./model-catalog.ts";

const ID_LENGTH_MAX = 128;

/** @param place gets the request as a part of the span. @throws what `place` throws */
export async function tracedInference<Response extends { readonly times: InferTimes }>(
  request: InferRequest,
  model: ModelView,
  { tracer, clock }: { readonly tracer: Tracer; readonly clock: Clock },
  place: (request: InferRequest) => Promise<Response>,
): Promise<Response> {
  const startMs = clock.now();
  const span = tracer.part(request.traceparent, { name: "infer", startMs, attributes: attributesOf(request, model) });
  try {
    const response = await place({ ...request, traceparent: span.traceparent });
    const endMs = clock.now();
    span.event("REQUEST_START", startMs);
    timestamps(span, response.times, endMs);
    span.event("REQUEST_END", endMs);
    span.end(endMs);
    return response;
  } catch (thrown) {
    span.end(clock.now(), ServingError.from(thrown));
    throw thrown;
  }
}

/** As `tracedInference`, until the last answer; the node's own spans tell what happened between. */
export async function* tracedResponses<Response>(
  request: InferRequest,
  model: ModelView,
  { tracer, clock }: { readonly tracer: Tracer; readonly clock: Clock },
  responses: (request: InferRequest) => AsyncIterable<Response>,
): AsyncGenerator<Response> {
  const startMs = clock.now();
  const span = tracer.part(request.traceparent, { name: "infer", startMs, attributes: attributesOf(request, model) });
  span.event("REQUEST_START", startMs);
  let failure: ServingError | undefined;
  try {
    yield* responses({ ...request, traceparent: span.traceparent });
  } catch (thrown) {
    failure = ServingError.from(thrown);
    throw failure;
  } finally {
    const endMs = clock.now();
    span.event("REQUEST_END", endMs);
    span.end(endMs, failure);
  }
}

function attributesOf({ id }: InferRequest, { name, version }: ModelView) {
  return { "triton.model_name": name, "triton.model_version": version, "triton.trace_request_id": id.slice(0, ID_LENGTH_MAX) };
}

/** The node tells how long each stage took; when its result arrived is known here. */
function timestamps(span: Span, times: InferTimes, arrivedMs: number): void {
  const { queueUs, computeInputUs, computeInferUs, computeOutputUs } = times;
  const queuedMs = arrivedMs - (queueUs + computeInputUs + computeInferUs + computeOutputUs) / 1000;
  const startedMs = queuedMs + queueUs / 1000;
  const inputMs = startedMs + computeInputUs / 1000;
  span.event("QUEUE_START", queuedMs);
  span.event("COMPUTE_START", startedMs);
  span.event("COMPUTE_INPUT_END", inputMs);
  span.event("COMPUTE_OUTPUT_START", inputMs + computeInferUs / 1000);
  span.event("COMPUTE_END", arrivedMs);
  span.event("INFER_RESPONSE_COMPLETE", arrivedMs);
}
