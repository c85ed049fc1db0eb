/** What was measured, for people: in the words and the order of Perf Analyzer. Pure. */
import { type Latencies, latenciesOf } from "../latencies.ts";
import type { Measurement } from "../measure.ts";

const PERCENTILES = [50, 90, 95, 99];

/** @param percentile also shown, where one was asked for */
export function measurementText({ level, window, perSecond, server, isStable }: Measurement, percentile: number | undefined): string {
  const latencies = latenciesOf(window.latenciesMs);
  const lines = [
    level.kind === "concurrency" ? `Request concurrency: ${level.value}` : `Request rate: ${level.value} requests/s`,
    "  Client:",
    `    Request count: ${latencies.count}`,
    ...(window.failures === 0 ? [] : [`    Failed requests: ${window.failures} (${window.failure ?? "without words"})`]),
    `    Throughput: ${perSecond.toFixed(2)} infer/sec`,
    `    Avg latency: ${usec(latencies.averageMs)} (standard deviation ${usec(latencies.deviationMs)})`,
    ...[...new Set([...PERCENTILES, ...(percentile === undefined ? [] : [percentile])])]
      .toSorted((a, b) => a - b)
      .map((percent) => `    p${percent} latency: ${usec(latencies.percentileMs(percent))}`),
  ];
  if (level.kind === "request-rate") {
    const lags = latenciesOf(window.lagsMs);
    lines.push(
      `    Sent later than intended: ${usec(lags.averageMs)} on average, p99 ${usec(lags.percentileMs(99))} (is in the latencies)`,
    );
  }
  if (window.texts.length > 0) lines.push(...textLines({ window, perSecond }));
  if (server !== undefined) {
    const { requestUs, overheadUs, queueUs, computeInputUs, computeInferUs, computeOutputUs } = server;
    lines.push(
      "  Server:",
      `    Inference count: ${server.inferences}`,
      `    Execution count: ${server.executions}`,
      `    Successful request count: ${server.successes}`,
      ...(server.cacheHits === 0 ? [] : [`    Cache hit count: ${server.cacheHits}`]),
      `    Avg request latency: ${requestUs.toFixed(0)} usec (overhead ${overheadUs.toFixed(0)} usec + queue ${queueUs.toFixed(0)} usec + compute input ${computeInputUs.toFixed(0)} usec + compute infer ${computeInferUs.toFixed(0)} usec + compute output ${computeOutputUs.toFixed(0)} usec)`,
    );
  }
  if (!isStable)
    lines.push(
      "  Not stable: no three windows in a row agreed; measure longer (--measurement-interval), or allow more (--stability-percentage)",
    );
  return lines.join("\n");
}

/** The closing lines: a row for each level. */
export function summaryText(measurements: readonly Measurement[], percentile: number | undefined): string {
  const what = percentile === undefined ? "Client Average Batch Latency" : `Client p${percentile} Batch Latency`;
  const rows = measurements.map(({ level, window, perSecond }) => {
    const latencies = latenciesOf(window.latenciesMs);
    const latency = percentile === undefined ? latencies.averageMs : latencies.percentileMs(percentile);
    const name = level.kind === "concurrency" ? "Concurrency" : "Request Rate";
    return `${name}: ${level.value}, throughput: ${perSecond.toFixed(2)} infer/sec, latency ${usec(latency)}`;
  });
  return `Inferences/Second vs. ${what}\n${rows.join("\n")}`;
}

function textLines({ window: { texts, durationMs } }: Pick<Measurement, "window" | "perSecond">): readonly string[] {
  const tokens = texts.reduce((sum, text) => sum + text.tokens, 0);
  const between = texts.flatMap(({ interTokenMs }) => interTokenMs ?? []);
  return [
    `    Output token throughput: ${((1_000 * tokens) / durationMs).toFixed(2)} tokens/sec`,
    `    Output tokens: ${(tokens / texts.length).toFixed(1)} a request`,
    `    Time to first token: ${spread(latenciesOf(texts.map(({ firstTokenMs }) => firstTokenMs)))}`,
    `    Inter token latency: ${spread(latenciesOf(between))}`,
  ];
}

function spread(latencies: Latencies): string {
  const percentiles = PERCENTILES.map((percent) => `p${percent} ${usec(latencies.percentileMs(percent))}`);
  return `${usec(latencies.averageMs)} (${percentiles.join(", ")})`;
}

const usec = (ms: number): string => `${(ms * 1_000).toFixed(0)} usec`;
