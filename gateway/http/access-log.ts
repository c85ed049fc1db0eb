/**
 * One log line for each answer: what was asked for, how it ended, how long it took; and the audit log, which has those of control calls
 * with who asked. Bodies and queries stay out.
 */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { traceFieldsOf } from "../../core/telemetry/tracing.ts";
import type { EventAnswer, HttpAnswer, HttpRequest, Route } from "./route.ts";
import { traceparentOf } from "./traceparent.ts";

export interface AccessLogDeps {
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Of a stream the line comes at its end. */
export function loggedRoutes(routes: readonly Route[], deps: AccessLogDeps): readonly Route[] {
  return routes.map((route) => ({ ...route, handle: (request) => logged(route, request, deps) }));
}

/** Of control calls alone. */
export function auditedRoutes(routes: readonly Route[], deps: AccessLogDeps): readonly Route[] {
  return routes.map((route) => (route.access === "control" ? { ...route, handle: (request) => audited(route, request, deps) } : route));
}

function logged(route: Route, request: HttpRequest, { logger, clock }: AccessLogDeps): Promise<HttpAnswer> {
  const model = request.param("model");
  return told(route, request, (status) =>
    logger.info({ ...lineOf(route, request, clock), ...(model !== "" && { model }), status }, "answered"),
  );
}

const PARAMS = /\{(\w+)\}/g;

function audited(route: Route, request: HttpRequest, { logger, clock }: AccessLogDeps): Promise<HttpAnswer> {
  const subject = [...route.path.matchAll(PARAMS)].map(([, name = ""]) => request.param(name)).join(" ");
  return told(route, request, (status) =>
    logger.info({ ...lineOf(route, request, clock), status, key: request.key, subject }, "control call"),
  );
}

function lineOf({ method, path }: Route, request: HttpRequest, clock: Clock) {
  const ms = Math.round(1000 * (clock.now() - request.arrivedMs)) / 1000;
  return { method, path, ms, tenant: request.tenant, ...traceFieldsOf(traceparentOf(request)) };
}

/** @param say called once, with the answer's status, when it is there or its stream has ended */
async function told(route: Route, request: HttpRequest, say: (status: number) => void): Promise<HttpAnswer> {
  try {
    const answer = await route.handle(request);
    if (answer.kind === "events") return { ...answer, frames: untilSaid(answer.frames, () => say(200)) };
    say(answer.status);
    return answer;
  } catch (thrown) {
    say(route.errors.failed(ServingError.from(thrown)).status);
    throw thrown;
  }
}

async function* untilSaid(frames: EventAnswer["frames"], say: () => void): AsyncGenerator<string> {
  try {
    yield* frames;
  } finally {
    say();
  }
}
