/** The access log. */
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { createLogger } from "../../../../core/telemetry/logger.ts";
import { loggedRoutes } from "../../../../gateway/http/access-log.ts";
import { EMPTY_BODY } from "../../../../gateway/http/body.ts";
import type { HttpAnswer, HttpRequest, Route } from "../../../../gateway/http/route.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

const REQUEST: HttpRequest = {
  query: new URLSearchParams("secret=query"),
  arrivedMs: 0,
  body: EMPTY_BODY,
  bodyBytesMax: 1,
  tenant: "t",
  signal: new AbortController().signal,
  stopping: false,
  fromLoopback: true,
  param: (name) => (name === "model" ? "m" : ""),
  header: (name) => (name === "traceparent" ? `00-${TRACE}-b7ad6b7169203331-01` : undefined),
  headers: () => [],
  belongTo: () => undefined,
};

const whole = (status: number): HttpAnswer & { readonly kind: "whole" } => ({ kind: "whole", status, headers: {}, body: "" });

/** What is logged of a route that answers so. */
async function logged(handle: Route["handle"]) {
  const lines: string[] = [];
  const clock = new FakeClock();
  const logger = createLogger({ level: "info", form: "json", write: (line) => lines.push(line) });
  const errors = { prefix: "", failed: () => whole(503), faulty: () => whole(400) };
  const route: Route = {
    method: "POST",
    path: "/v2/models/{model}/infer",
    access: "inference",
    group: "inference",
    body: "bytes",
    errors,
    handle,
  };
  const [made = route] = loggedRoutes([route], { logger, clock });
  await clock.pass(12);
  return {
    answer: await Promise.try(() => made.handle(REQUEST)).catch(() => undefined),
    said: () => lines.map((line) => JSON.parse(line)),
  };
}

test("has a line for each answer, with its trace, and nothing of query and body", async () => {
  const { said } = await logged(() => whole(200));
  const line = { method: "POST", path: "/v2/models/{model}/infer", model: "m", status: 200, ms: 12, tenant: "t", trace_id: TRACE };
  expect(said()).toMatchObject([{ ...line, msg: "answered" }]);
  expect(JSON.stringify(said())).not.toContain("secret");
});

test("has the status of what failed", async () => {
  const failing = () => {
    throw new ServingError("UNAVAILABLE", "away");
  };
  expect((await logged(failing)).said()).toMatchObject([{ status: 503 }]);
});

test("has a stream's line when it ends", async () => {
  const { answer, said } = await logged(() => ({ kind: "events", headers: {}, frames: ReadableStream.from(["a", "b"]) }));
  expect(said()).toEqual([]);
  if (answer?.kind === "events") for await (const frame of answer.frames) expect(frame).not.toBe("");
  expect(said()).toMatchObject([{ status: 200 }]);
});
