/** Settings of metrics, traces and logs. Pure. */
import { manyOf, setting, text, wholeNumber, yesNo } from "../core/settings.ts";
import { TELEMETRY_DEFAULTS } from "../core/telemetry/options.ts";

/** A row for each option, and no other. */
export const TELEMETRY_SETTINGS = {
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
};
