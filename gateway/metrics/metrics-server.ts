/** The metrics port: `/metrics` in Prometheus' text form. Any other path is 200 and empty, as on Triton's. */
import { ServingError } from "../../core/errors.ts";
import { READS_METRICS } from "../access/access.ts";
import { jsonAnswer } from "../http/answer.ts";
import type { ErrorShape, HttpFault, Route, WholeAnswer } from "../http/route.ts";
import { type HttpServer, type HttpServerOptions, startHttpServer } from "../http1/server.ts";

export interface MetricsServerOptions extends Pick<HttpServerOptions, "host" | "port" | "clock" | "guard" | "tls"> {
  readonly metricsText: () => Promise<string>;
}

/** @throws ServingError when the port cannot be listened on. */
export function startMetricsServer({ metricsText, ...options }: MetricsServerOptions): Promise<HttpServer> {
  const handle = async () => {
    try {
      return text(await metricsText());
    } catch (thrown) {
      throw new ServingError("INTERNAL", "the metrics cannot be read", { cause: thrown });
    }
  };
  const route = (path: string): Route => ({ ...READS_METRICS, method: "GET", path, body: "none", errors, handle });
  return startHttpServer({ ...options, purpose: "metrics", routes: ["/metrics", "/metrics/"].map(route) });
}

const STATUS: Partial<Record<ServingError["code"], number>> = { UNAUTHENTICATED: 401, PERMISSION_DENIED: 403 };

const errors: ErrorShape = {
  prefix: "",
  failed: ({ code, message }) => jsonAnswer(STATUS[code] ?? 500, { error: message }),
  faulty,
};

function faulty(fault: HttpFault): WholeAnswer {
  switch (fault.kind) {
    case "not-found":
      return text("");
    case "method-not-allowed":
      return jsonAnswer(405, { error: "Method Not Allowed" }, { allow: fault.allowed.join(", ") });
    case "body-too-large": // no route takes one
      return jsonAnswer(413, { error: "the metrics take no body" });
    case "refused":
      return jsonAnswer(fault.status, { error: fault.message });
  }
}

function text(body: string): WholeAnswer {
  return { kind: "whole", status: 200, headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" }, body };
}
