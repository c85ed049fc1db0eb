/** What was measured, as JSON for other programs: all in milliseconds but the server's microseconds. Pure. */
import { latenciesOf } from "../latencies.ts";
import type { Measurement } from "../measure.ts";
import type { ServerMetric } from "../server-metrics.ts";

const PERCENTILES = [25, 50, 75, 90, 95, 99];

export function figuresText(measurements: readonly Measurement[], metrics: readonly (readonly ServerMetric[])[]): string {
  const levels = measurements.map(({ level, window, perSecond, server, isStable }, index) => ({
    [level.kind === "concurrency" ? "concurrency" : "request_rate"]: level.value,
    infer_per_sec: perSecond,
    stable: isStable,
    failures: window.failures,
    latency_ms: spread(window.latenciesMs),
    ...(level.kind === "request-rate" && { lag_ms: spread(window.lagsMs) }),
    ...(window.texts.length > 0 && textFigures(window)),
    server,
    ...(metrics[index] !== undefined && { metrics: metrics[index] }),
  }));
  return `${JSON.stringify({ levels }, undefined, 2)}\n`;
}

function textFigures({ texts, durationMs }: Measurement["window"]) {
  const tokens = texts.reduce((sum, text) => sum + text.tokens, 0);
  return {
    output_token_throughput: (1_000 * tokens) / durationMs,
    output_sequence_length: tokens / texts.length,
    time_to_first_token_ms: spread(texts.map(({ firstTokenMs }) => firstTokenMs)),
    inter_token_latency_ms: spread(texts.flatMap(({ interTokenMs }) => interTokenMs ?? [])),
  };
}

function spread(values: readonly number[]) {
  const latencies = latenciesOf(values);
  const percentiles = PERCENTILES.map((percent) => [`p${percent}`, latencies.percentileMs(percent)]);
  return { count: latencies.count, avg: latencies.averageMs, std: latencies.deviationMs, ...Object.fromEntries(percentiles) };
}
