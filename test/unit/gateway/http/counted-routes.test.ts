/** What is counted of a door's answers. */
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { createMetrics } from "../../../../core/telemetry/metrics.ts";
import { EMPTY_BODY } from "../../../../gateway/http/body.ts";
import { countedRoutes } from "../../../../gateway/http/counted-routes.ts";
import type { HttpAnswer, HttpRequest, Route } from "../../../../gateway/http/route.ts";
import { openaiErrors } from "../../../../gateway/openai/errors.ts";

const request: HttpRequest = {
  query: new URLSearchParams(),
  body: EMPTY_BODY,
  bodyBytesMax: 0,
  tenant: "public",
  signal: new AbortController().signal,
  stopping: false,
  fromLoopback: true,
  arrivedMs: 0,
  param: () => "",
  header: () => undefined,
  headers: () => [],
  belongTo: () => undefined,
};

function route(access: Route["access"], handle: () => HttpAnswer): Route {
  return { method: "POST", path: "/x", access, group: undefined, body: "none", errors: openaiErrors, handle };
}

const whole = (status: number): HttpAnswer => ({ kind: "whole", status, headers: {}, body: "" });

test("requests for inference are counted by outcome, probes are not, and errors pass through", async () => {
  using metrics = createMetrics();
  const routes = countedRoutes(
    "openai",
    [
      route("inference", () => whole(200)),
      route("inference", () => whole(413)),
      route("inference", () => ({ kind: "events", headers: {}, frames: (async function* () {})() })),
      route("inference", () => {
        throw new ServingError("NOT_FOUND", "no such model");
      }),
      route("public", () => whole(200)),
    ],
    metrics.requests,
  );
  const [ok, large, stream, unknown, probe] = routes;
  for (const one of [ok, large, stream, probe]) await one?.handle(request);
  await expect(async () => await unknown?.handle(request)).rejects.toThrow("no such model");
  const text = await metrics.metricsText();
  expect(text).toContain('nereid_requests_total{door="openai",outcome="ok"} 2');
  expect(text).toContain('nereid_requests_total{door="openai",outcome="status 413"} 1');
  expect(text).toContain('nereid_requests_total{door="openai",outcome="NOT_FOUND"} 1');
});
