/** `--metrics-config`. */
import { expect, test } from "vitest";
import { METRICS_CONFIG, parseMetricsConfig } from "../../../../gateway/metrics/metrics-config.ts";

test("each text changes what it names", () => {
  expect(parseMetricsConfig([])).toEqual(METRICS_CONFIG);
  expect(parseMetricsConfig(["summary_latencies=true", "counter_latencies=false", "summary_quantiles=0.9:0.01,0.5:0.05"])).toEqual({
    counterLatencies: false,
    histogramLatencies: false,
    summaryLatencies: true,
    summaryQuantiles: [0.5, 0.9],
  });
});

test.each(["nonsense", "summary_latencies=yes", "=true", "summary_quantiles=2", "summary_quantiles="])("%j is refused, by name", (text) => {
  expect(() => parseMetricsConfig([text])).toThrow("--metrics-config");
});
