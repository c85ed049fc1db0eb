/** Traces what a door answers: from a request's arrival until its answer is written, a stream until its end. */
import { ServingError } from "../../core/errors.ts";
import { type Span, traceFieldsOf } from "../../core/telemetry/tracing.ts";
import type { EventAnswer, HttpAnswer, HttpRequest, Route } from "../http/route.ts";
import { traceparentOf } from "../http/traceparent.ts";
import type { RequestTracing } from "./request-tracing.ts";

/** Only requests for inference are traced. What fails is logged with the trace that it belongs to, see `failedTrace`. */
export function tracedRoutes(routes: readonly Route[], tracing: RequestTracing): readonly Route[] {
  const handle = (route: Route, request: HttpRequest) =>
    tracing.isOff && request.header("traceparent") === undefined ? route.handle(request) : traced(route, request, tracing);
  return routes.map((route) => (route.access === "inference" ? { ...route, handle: (request) => handle(route, request) } : route));
}

const FAILED = new WeakMap<ServingError, string>();

/** For `failedTrace`. */
export function failedIn(traceparent: string, error: ServingError): void {
  if (traceparent !== "") FAILED.set(error, traceparent);
}

/** Fields for the log line of an error that a traced route or call has thrown. */
export function failedTrace(error: ServingError): Readonly<Record<string, string>> {
  return traceFieldsOf(FAILED.get(error) ?? "");
}

async function traced(route: Route, request: HttpRequest, tracing: RequestTracing): Promise<HttpAnswer> {
  const given = traceparentOf(request);
  const model = request.param("model");
  const span = tracing.begin(model === "" ? undefined : model, given, {
    name: model === "" ? `${route.method} ${route.path}` : "InferRequest",
    startMs: request.arrivedMs,
    attributes: { "http.request.method": route.method, "http.route": route.path },
  });
  const { clock } = tracing;
  try {
    if (given !== span.traceparent) request.belongTo(span.traceparent);
    if (span.traceparent === "") return await route.handle(request);
    span.event("HTTP_RECV_START", request.arrivedMs);
    span.event("HTTP_RECV_END", clock.now());
    const answer = await route.handle(request);
    span.event("HTTP_SEND_START", clock.now());
    if (answer.kind === "events") return { ...answer, frames: untilSent(answer.frames, span, tracing) };
    span.set({ "http.response.status_code": answer.status });
    sent(span, tracing);
    return answer;
  } catch (thrown) {
    const error = ServingError.from(thrown);
    FAILED.set(error, span.traceparent === "" ? given : span.traceparent);
    span.end(clock.now(), error);
    throw error;
  }
}

function sent(span: Span, { clock }: RequestTracing, error?: ServingError): void {
  const nowMs = clock.now();
  span.event("HTTP_SEND_END", nowMs);
  span.end(nowMs, error);
}

async function* untilSent(frames: EventAnswer["frames"], span: Span, tracing: RequestTracing): AsyncGenerator<string> {
  let failure: ServingError | undefined;
  try {
    yield* frames;
  } catch (thrown) {
    failure = ServingError.from(thrown);
    FAILED.set(failure, span.traceparent);
    throw failure;
  } finally {
    sent(span, tracing, failure);
  }
}
