/** Counts what a door answers, by outcome: a stream when it begins, everything else when its answer is there. */
import { ServingError } from "../../core/errors.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import type { HttpAnswer, Route } from "./route.ts";

/** Only requests for inference are counted: probes and pages would hide them. */
export function countedRoutes(door: string, routes: readonly Route[], requests: Metrics["requests"]): readonly Route[] {
  return routes.map((route) => (route.access === "inference" ? { ...route, handle: counted(door, route, requests) } : route));
}

function counted(door: string, route: Route, requests: Metrics["requests"]): Route["handle"] {
  const ok = requests.counting({ door, outcome: "ok" });
  const count = (answer: HttpAnswer): HttpAnswer => {
    if (answer.kind === "events" || answer.status < 400) ok();
    else requests.inc({ door, outcome: `status ${answer.status}` });
    return answer;
  };
  const failed = (thrown: unknown): never => {
    requests.inc({ door, outcome: ServingError.from(thrown).code });
    throw thrown;
  };
  return (request) => {
    try {
      const answer = route.handle(request);
      return answer instanceof Promise ? answer.then(count, failed) : count(answer);
    } catch (thrown) {
      return failed(thrown);
    }
  };
}
