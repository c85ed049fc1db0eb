/** What is counted and logged of calls over gRPC. */
import { expect, test } from "vitest";
import { createLogger } from "../../../../core/telemetry/logger.ts";
import { createMetrics } from "../../../../core/telemetry/metrics.ts";
import { controls, INFERS, isPublic } from "../../../../gateway/access/access.ts";
import { answeredCalls } from "../../../../gateway/grpc/answered-calls.ts";
import type { GrpcMethod } from "../../../../gateway/grpc/method.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const service = "inference.GRPCInferenceService";
const infer: GrpcMethod = { ...INFERS, kind: "unary", service, method: "ModelInfer", handle: () => [] };
const live: GrpcMethod = { ...isPublic("health"), kind: "unary", service, method: "ServerLive", handle: () => [] };
const call = {
  tenant: "t",
  header: (name: string) => (name === "traceparent" ? `00-${TRACE}-b7ad6b7169203331-01` : undefined),
};

test("inferences are counted by outcome, probes are not", async () => {
  using metrics = createMetrics();
  const answered = answeredCalls({ requests: metrics.requests, clock: new FakeClock() });
  for (const outcome of ["ok", "ok", "CANCELLED"] as const) answered(infer, { ...call, outcome }, 0);
  answered(live, { ...call, outcome: "ok" }, 0);
  const text = await metrics.metricsText();
  expect(text).toContain('nereid_requests_total{door="kserve-grpc",outcome="ok"} 2');
  expect(text).toContain('nereid_requests_total{door="kserve-grpc",outcome="CANCELLED"} 1');
});

test("the audit log has a line for each control call and no other, with its key and what it was about", () => {
  using metrics = createMetrics();
  const lines: string[] = [];
  const auditLog = createLogger({ level: "info", form: "json", write: (line) => lines.push(line) });
  const answered = answeredCalls({ requests: metrics.requests, clock: new FakeClock(), auditLog });
  const load: GrpcMethod = { ...infer, ...controls("model-repository"), method: "RepositoryModelLoad" };
  for (const method of [infer, live, load]) answered(method, { ...call, key: "0123456789ab", subject: "m", outcome: "NOT_FOUND" }, 0);
  const line = {
    path: `/${service}/RepositoryModelLoad`,
    status: "NOT_FOUND",
    tenant: "t",
    key: "0123456789ab",
    subject: "m",
    trace_id: TRACE,
  };
  expect(lines.map((text) => JSON.parse(text))).toMatchObject([{ ...line, msg: "control call" }]);
});

test("the access log has a line for each call, with its trace and how long it took", () => {
  using metrics = createMetrics();
  const lines: string[] = [];
  const clock = new FakeClock();
  const accessLog = createLogger({ level: "info", form: "json", write: (line) => lines.push(line) });
  const answered = answeredCalls({ requests: metrics.requests, clock, accessLog });
  const arrivedMs = clock.now();
  clock.advance(12);
  answered(live, { ...call, outcome: "UNAVAILABLE" }, arrivedMs);
  const line = { method: "gRPC", path: `/${service}/ServerLive`, status: "UNAVAILABLE", ms: 12, tenant: "t", trace_id: TRACE };
  expect(lines.map((text) => JSON.parse(text))).toMatchObject([{ ...line, msg: "answered" }]);
});
