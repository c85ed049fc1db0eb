/** Counts what becomes of calls, and tells the access log and the audit log: a stream when it ends. Messages stay out. */
import type { Clock } from "../../core/clock.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import { traceFieldsOf } from "../../core/telemetry/tracing.ts";
import { traceparentOf } from "../http/traceparent.ts";
import type { GrpcCall, GrpcMethod } from "./method.ts";

/** A call that is over; one that its client gave up is CANCELLED. */
export interface AnsweredCall extends Pick<GrpcCall, "tenant" | "key" | "header"> {
  /** What a control call was about. */
  readonly subject?: string;
  readonly outcome: "ok" | ErrorCode;
}

/** Called once for each call that found its method. */
export type Answered = (method: GrpcMethod, call: AnsweredCall, arrivedMs: number) => void;

export interface AnsweredCallsDeps {
  readonly requests: Metrics["requests"];
  readonly clock: Clock;
  /** undefined: calls are not logged. */
  readonly accessLog?: Logger | undefined;
  /** Gets a line for each control call; undefined: nobody does. */
  readonly auditLog?: Logger | undefined;
}

/** Only inferences are counted, as over HTTP. */
export function answeredCalls({ requests, clock, accessLog, auditLog }: AnsweredCallsDeps): Answered {
  const ok = requests.counting({ door: "kserve-grpc", outcome: "ok" });
  return ({ service, method, access }, call, arrivedMs) => {
    const { outcome, tenant, key, subject } = call;
    if (access === "inference") {
      if (outcome === "ok") ok();
      else requests.inc({ door: "kserve-grpc", outcome });
    }
    const isControl = auditLog !== undefined && access === "control";
    if (accessLog === undefined && !isControl) return;
    const ms = Math.round(1000 * (clock.now() - arrivedMs)) / 1000;
    const line = { method: "gRPC", path: `/${service}/${method}`, status: outcome, ms, tenant, ...traceFieldsOf(traceparentOf(call)) };
    accessLog?.info(line, "answered");
    if (isControl) auditLog.info({ ...line, key, subject }, "control call");
  };
}
