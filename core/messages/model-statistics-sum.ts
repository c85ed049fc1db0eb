/** Adds up what a model version has done in several loads, or on several nodes. Pure. */
import { addBins } from "../telemetry/latency-bins.ts";
import { seriesAtRest, sumSeries } from "./custom-metrics.ts";
import type { NodeModelStatistics } from "./model-statistics.ts";

type Duration = NodeModelStatistics["success"];
type Named = Pick<NodeModelStatistics, "model" | "version" | "past">;

/** Everything in it is zero where there are no parts; times of loading do not add up: the longest counts. */
export function sumStatistics({ model, version, past }: Named, parts: readonly NodeModelStatistics[]): NodeModelStatistics {
  const count = (of: (part: NodeModelStatistics) => number) => parts.reduce((total, part) => total + of(part), 0);
  const duration = (of: (part: NodeModelStatistics) => Duration) => sumDurations(parts.map(of));
  const latencies = (stage: keyof NodeModelStatistics["latencies"]) => addBins(parts.map((part) => part.latencies[stage]));
  const failures = (reason: keyof NodeModelStatistics["failures"]) => count((part) => part.failures[reason]);
  return {
    model,
    version,
    past,
    lastInferenceMs: Math.max(0, ...parts.map((part) => part.lastInferenceMs)),
    inferenceCount: count((part) => part.inferenceCount),
    executionCount: count((part) => part.executionCount),
    success: duration((part) => part.success),
    fail: duration((part) => part.fail),
    queue: duration((part) => part.queue),
    computeInput: duration((part) => part.computeInput),
    computeInfer: duration((part) => part.computeInfer),
    computeOutput: duration((part) => part.computeOutput),
    cacheHit: duration((part) => part.cacheHit),
    cacheMiss: duration((part) => part.cacheMiss),
    batches: sumBatches(parts.flatMap((part) => part.batches)),
    failures: {
      REJECTED: failures("REJECTED"),
      CANCELED: failures("CANCELED"),
      BACKEND: failures("BACKEND"),
      OTHER: failures("OTHER"),
    },
    latencies: {
      request: latencies("request"),
      queue: latencies("queue"),
      computeInput: latencies("computeInput"),
      computeInfer: latencies("computeInfer"),
      computeOutput: latencies("computeOutput"),
    },
    ...responses(parts.flatMap((part) => part.responses ?? [])),
    ...(parts.some(({ custom }) => custom !== undefined) && { custom: sumSeries(parts.flatMap(({ custom = [] }) => custom)) }),
    cached: parts.some((part) => part.cached),
    pending: count((part) => part.pending),
    running: count((part) => part.running),
    loadMs: Math.max(0, ...parts.map((part) => part.loadMs)),
    residentBytes: count((part) => part.residentBytes),
  };
}

/** What stays of a load that is over, or of a node that is gone. */
export function statisticsAtRest({ custom, ...one }: NodeModelStatistics): NodeModelStatistics {
  return { ...one, pending: 0, running: 0, loadMs: 0, residentBytes: 0, ...(custom !== undefined && { custom: seriesAtRest(custom) }) };
}

type Responses = NonNullable<NodeModelStatistics["responses"]>;

function responses(parts: readonly Responses[]): Pick<NodeModelStatistics, "responses"> {
  if (parts.length === 0) return {};
  const count = Math.max(...parts.map(({ places }) => places.length));
  const places = Array.from({ length: count }, (_, place) => {
    const same = parts.flatMap((part) => part.places[place] ?? []);
    const duration = (of: keyof Responses["places"][number]) => sumDurations(same.map((one) => one[of]));
    return {
      computeInfer: duration("computeInfer"),
      computeOutput: duration("computeOutput"),
      success: duration("success"),
      fail: duration("fail"),
      empty: duration("empty"),
      cancel: duration("cancel"),
    };
  });
  return {
    responses: {
      places,
      first: sumDurations(parts.map(({ first }) => first)),
      firstBins: addBins(parts.map(({ firstBins }) => firstBins)),
    },
  };
}

function sumDurations(durations: readonly Duration[]): Duration {
  let [count, ns] = [0, 0];
  for (const [moreCount, moreNs] of durations) {
    count += moreCount;
    ns += moreNs;
  }
  return [count, ns];
}

function sumBatches(batches: NodeModelStatistics["batches"]): NodeModelStatistics["batches"] {
  const sizes = [...new Set(batches.map(({ size }) => size))].toSorted((a, b) => a - b);
  return sizes.map((size) => {
    const same = batches.filter((batch) => batch.size === size);
    return {
      size,
      computeInput: sumDurations(same.map(({ computeInput }) => computeInput)),
      computeInfer: sumDurations(same.map(({ computeInfer }) => computeInfer)),
      computeOutput: sumDurations(same.map(({ computeOutput }) => computeOutput)),
    };
  });
}
