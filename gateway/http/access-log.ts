/** One log line for each answer: what was asked for, how it ended, how long it took. Bodies and queries stay out. */
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

async function logged(route: Route, request: HttpRequest, deps: AccessLogDeps): Promise<HttpAnswer> {
  const say = (status: number) => {
    const { logger, clock } = deps;
    const model = request.param("model");
    const about = { method: route.method, path: route.path, ...(model !== "" && { model }) };
    const ms = Math.round(1000 * (clock.now() - request.arrivedMs)) / 1000;
    logger.info({ ...about, status, ms, tenant: request.tenant, ...traceFieldsOf(traceparentOf(request)) }, "answered");
  };
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
