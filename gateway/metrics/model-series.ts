/** A model version's series: Triton's, and Nereid's own, from what all nodes have counted together. Pure. */
import type { NodeModelStatistics } from "../../core/messages/model-statistics.ts";
import { histogramSamples, type MetricFamily, type MetricSample } from "../../core/telemetry/exposition.ts";
import { FLEET_METRICS, type GatheredMetric, TRITON_METRICS } from "../../core/telemetry/gathered-metrics-table.ts";
import { countOf, countsUpTo, quantileUs, type SparseBins } from "../../core/telemetry/latency-bins.ts";
import type { MetricsConfig } from "./metrics-config.ts";

/** A model version as it is shown. */
export interface CountedModel {
  readonly sum: NodeModelStatistics;
  /** `metric_tags` of its configuration. */
  readonly tags: Readonly<Record<string, string>>;
  /** Bounds of histograms, by the metric's name: `model_metrics` of its configuration. */
  readonly buckets: Readonly<Record<string, readonly number[]>>;
  /** Of the last minute, by stage. */
  readonly recent: NodeModelStatistics["latencies"];
}

type Labels = MetricSample["labels"];
type Stage = keyof NodeModelStatistics["latencies"];

/** Two digits each, as `latency-bins.ts` counts exactly. */
const STAGE_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const STAGE_US = STAGE_SECONDS.map((seconds) => Math.round(seconds * 1e6));
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Triton's, milliseconds. */
const FIRST_RESPONSE_MS = [100, 500, 2000, 5000];

const us = (ns: number): number => Math.floor(ns / 1000);

export function modelFamilies(models: readonly CountedModel[], config: MetricsConfig): readonly MetricFamily[] {
  const labeled = models.map((model) => ({ ...model, labels: labelsOf(model) }));
  const all = (described: GatheredMetric, samples: (model: CountedModel & { readonly labels: Labels }) => readonly MetricSample[]) => ({
    described,
    samples: labeled.flatMap(samples),
  });
  const one = (described: GatheredMetric, value: (sum: NodeModelStatistics) => number) =>
    all(described, ({ labels, sum }) => [{ labels, value: value(sum) }]);
  const ifCached = (described: GatheredMetric, value: (sum: NodeModelStatistics) => number) =>
    all(described, ({ labels, sum }) => (sum.cached ? [{ labels, value: value(sum) }] : []));
  const triton = TRITON_METRICS;
  return [
    one(triton.success, ({ success }) => success[0]),
    all(triton.failure, ({ labels, sum }) =>
      Object.entries(sum.failures).map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
    ),
    one(triton.inferenceCount, ({ inferenceCount }) => inferenceCount),
    one(triton.executionCount, ({ executionCount }) => executionCount),
    ...(config.counterLatencies ? DURATIONS.map(([described, of]) => one(described, (sum) => us(of(sum)))) : []),
    one(triton.pending, ({ pending }) => pending),
    one(triton.loadDuration, ({ loadMs }) => loadMs / 1000),
    ifCached(triton.modelCacheHits, ({ cacheHit }) => cacheHit[0]),
    ifCached(triton.modelCacheMisses, ({ cacheMiss }) => cacheMiss[0]),
    ifCached(triton.modelCacheHitDuration, ({ cacheHit }) => us(cacheHit[1])),
    ifCached(triton.modelCacheMissDuration, ({ cacheMiss }) => us(cacheMiss[1])),
    ...(config.histogramLatencies ? [all(triton.firstResponse, firstResponseSamples)] : []),
    ...(config.summaryLatencies
      ? SUMMARIES.map(([described, stage]) => all(described, (model) => summarySamples(model, stage, config.summaryQuantiles)))
      : []),
    all(FLEET_METRICS.stageSeconds, stageSamples),
    all(FLEET_METRICS.batchSize, batchSamples),
    one(FLEET_METRICS.running, ({ running }) => running),
    one(FLEET_METRICS.modelMemory, ({ residentBytes }) => residentBytes),
  ];
}

const DURATIONS: readonly (readonly [GatheredMetric, (sum: NodeModelStatistics) => number])[] = [
  [TRITON_METRICS.requestDuration, ({ success }) => success[1]],
  [TRITON_METRICS.queueDuration, ({ queue }) => queue[1]],
  [TRITON_METRICS.inputDuration, ({ computeInput }) => computeInput[1]],
  [TRITON_METRICS.inferDuration, ({ computeInfer }) => computeInfer[1]],
  [TRITON_METRICS.outputDuration, ({ computeOutput }) => computeOutput[1]],
];

const SUMMARIES: readonly (readonly [GatheredMetric, Stage])[] = [
  [TRITON_METRICS.requestSummary, "request"],
  [TRITON_METRICS.queueSummary, "queue"],
  [TRITON_METRICS.inputSummary, "computeInput"],
  [TRITON_METRICS.inferSummary, "computeInfer"],
  [TRITON_METRICS.outputSummary, "computeOutput"],
];

const STAGES: readonly (readonly [Stage, string, (sum: NodeModelStatistics) => number])[] = [
  ["request", "request", ({ success }) => success[1]],
  ["queue", "queue", ({ queue }) => queue[1]],
  ["computeInput", "compute_input", ({ computeInput }) => computeInput[1]],
  ["computeInfer", "compute_infer", ({ computeInfer }) => computeInfer[1]],
  ["computeOutput", "compute_output", ({ computeOutput }) => computeOutput[1]],
];

function labelsOf({ sum: { model, version }, tags }: CountedModel): Labels {
  return { model, version, ...Object.fromEntries(Object.entries(tags).map(([tag, value]) => [`_${tag}`, value])) };
}

function stageSamples({ labels, sum }: { readonly labels: Labels; readonly sum: NodeModelStatistics }): readonly MetricSample[] {
  return STAGES.flatMap(([key, stage, ns]) => {
    const bins: SparseBins = sum.latencies[key];
    const counted = { counts: countsUpTo(bins, STAGE_US), count: countOf(bins), total: ns(sum) / 1e9 };
    return histogramSamples({ ...labels, stage }, STAGE_SECONDS, counted);
  });
}

function firstResponseSamples({ labels, sum, buckets }: CountedModel & { readonly labels: Labels }): readonly MetricSample[] {
  const { responses } = sum;
  if (responses === undefined) return [];
  const bounds = buckets[TRITON_METRICS.firstResponse.name] ?? FIRST_RESPONSE_MS;
  const counts = countsUpTo(
    responses.firstBins,
    bounds.map((ms) => ms * 1000),
  );
  return histogramSamples(labels, bounds, { counts, count: responses.first[0], total: responses.first[1] / 1e6 });
}

function batchSamples({
  labels,
  sum: { batches },
}: {
  readonly labels: Labels;
  readonly sum: NodeModelStatistics;
}): readonly MetricSample[] {
  const executions = (limit: number) => batches.reduce((total, { size, computeInfer }) => total + (size <= limit ? computeInfer[0] : 0), 0);
  const total = batches.reduce((rows, { size, computeInfer }) => rows + size * computeInfer[0], 0);
  return histogramSamples(labels, BATCH_SIZES, { counts: BATCH_SIZES.map(executions), count: executions(Number.POSITIVE_INFINITY), total });
}

/** Triton leaves the whole request's out where a cache answers: it would mix two things. */
function summarySamples(
  model: CountedModel & { readonly labels: Labels },
  stage: Stage,
  quantiles: readonly number[],
): readonly MetricSample[] {
  const { labels, sum, recent } = model;
  if (stage === "request" && sum.cached) return [];
  const ns = STAGES.find(([key]) => key === stage)?.[2](sum) ?? 0;
  return [
    ...quantiles.map((quantile) => ({ labels: { ...labels, quantile: String(quantile) }, value: quantileUs(recent[stage], quantile) })),
    { suffix: "_sum", labels, value: us(ns) },
    { suffix: "_count", labels, value: countOf(sum.latencies[stage]) },
  ];
}
