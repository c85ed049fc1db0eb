/** Settings of metrics, traces and logs. Pure. */
import { manyOf, optional, setting, text, wholeNumber, yesNo } from "../../core/settings.ts";
import { TELEMETRY_DEFAULTS } from "../../core/telemetry/options.ts";

/** Where traces go: the same for gateways and agents. */
export const EXPORT_SETTINGS = {
  traceConfig: setting({
    kind: manyOf(text("rate=100, level=TIMESTAMPS, mode=opentelemetry, triton,file=FILE or opentelemetry,url=URL")),
    fallback: TELEMETRY_DEFAULTS.traceConfig,
    help: "which requests are traced, and where to",
  }),
  otlpEndpoint: setting({
    kind: optional(text("a URL such as http://127.0.0.1:4318")),
    fallback: TELEMETRY_DEFAULTS.otlpEndpoint,
    fallbackText: "OTEL_EXPORTER_OTLP_ENDPOINT",
    help: "an OpenTelemetry collector, to which every request is traced",
  }),
};

/** A row for each option of a gateway, and no other. */
export const TELEMETRY_SETTINGS = {
  ...EXPORT_SETTINGS,
  allowCpuMetrics: setting({
    kind: yesNo(),
    fallback: TELEMETRY_DEFAULTS.allowCpuMetrics,
    help: "serve Triton's series of CPU and memory, too",
  }),
  metricsIntervalMs: setting({
    kind: wholeNumber(1, 3_600_000),
    fallback: TELEMETRY_DEFAULTS.metricsIntervalMs,
    unit: "ms",
    help: "how often CPU use is measured",
  }),
  metricsConfig: setting({
    kind: manyOf(text("counter_latencies=false, summary_latencies=true, summary_quantiles=0.5:0.05,0.9:0.01")),
    fallback: TELEMETRY_DEFAULTS.metricsConfig,
    help: "Triton's optional latency metrics",
  }),
  auditLog: setting({
    kind: yesNo(),
    fallback: true,
    help: "log a line for each call that loads models or changes settings: which key, what, what became of it",
  }),
  accessLog: setting({ kind: yesNo(), fallback: false, help: "log a line for each answer over HTTP and each call over gRPC" }),
};
