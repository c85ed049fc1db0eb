/** Which of Triton's metrics are served: `--metrics-config` (metrics.md section 3). Pure. */
import { ServingError } from "../../core/errors.ts";

export interface MetricsConfig {
  /** Cumulative microseconds. */
  readonly counterLatencies: boolean;
  readonly histogramLatencies: boolean;
  readonly summaryLatencies: boolean;
  /** 0 to 1, ascending. */
  readonly summaryQuantiles: readonly number[];
}

export const METRICS_CONFIG: MetricsConfig = {
  counterLatencies: true,
  histogramLatencies: false,
  summaryLatencies: false,
  summaryQuantiles: [0.5, 0.9, 0.95, 0.99, 0.999],
};

const SWITCHES = {
  counter_latencies: "counterLatencies",
  histogram_latencies: "histogramLatencies",
  summary_latencies: "summaryLatencies",
} as const;

/**
 * @param texts such as `summary_latencies=true`; quantiles are `0.5:0.05,0.9:0.01`, whose errors are not needed here
 * @throws ServingError INVALID_ARGUMENT naming what is wrong
 */
export function parseMetricsConfig(texts: readonly string[]): MetricsConfig {
  return texts.reduce(changed, METRICS_CONFIG);
}

function changed(config: MetricsConfig, text: string): MetricsConfig {
  const equals = text.indexOf("=");
  const [name, value] = [text.slice(0, equals), text.slice(equals + 1)];
  if (name === "summary_quantiles") return { ...config, summaryQuantiles: quantilesOf(value) };
  const key = Object.entries(SWITCHES).find(([known]) => known === name)?.[1];
  if (key === undefined || (value !== "true" && value !== "false")) {
    const known = [...Object.keys(SWITCHES).map((one) => `${one}=true or false`), "summary_quantiles=0.5:0.05,…"].join("; ");
    throw new ServingError("INVALID_ARGUMENT", `--metrics-config: ${JSON.stringify(text)} is not allowed; allowed: ${known}`);
  }
  return { ...config, [key]: value === "true" };
}

function quantilesOf(text: string): readonly number[] {
  const quantiles = text.split(",").map((pair) => Number(pair.split(":")[0]));
  if (quantiles.every((quantile) => quantile > 0 && quantile < 1)) return quantiles.toSorted((a, b) => a - b);
  throw new ServingError("INVALID_ARGUMENT", `--metrics-config: summary_quantiles=${text} are not numbers between 0 and 1`);
}
