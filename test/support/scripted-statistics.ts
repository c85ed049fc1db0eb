/** Statistics of scripted models: counts, and no time at all. */
import { DURATION_NAMES, type DurationName, type ModelStatistics, type StatisticDuration } from "../../gateway/serving/model-catalog.ts";

const NONE: StatisticDuration = { count: 0n, ns: 0n };

export const NO_STATISTICS: Omit<ModelStatistics, "name" | "version"> = {
  lastInferenceMs: 0n,
  inferenceCount: 0n,
  executionCount: 0n,
  durations: durations(() => NONE),
  responses: [],
  batches: [],
  memoryBytes: 0n,
};

export function batchStatistics(counts: { readonly done: number; readonly executed: number }): Omit<ModelStatistics, "name" | "version"> {
  const done = { count: BigInt(counts.done), ns: 0n };
  const executed = { count: BigInt(counts.executed), ns: 0n };
  return {
    lastInferenceMs: 1n,
    inferenceCount: done.count,
    executionCount: executed.count,
    durations: durations((name) => {
      if (name === "fail") return { count: executed.count - done.count, ns: 0n };
      return name.startsWith("cache") ? NONE : done;
    }),
    responses: [],
    batches: [{ batchSize: 1n, computeInput: executed, computeInfer: executed, computeOutput: executed }],
    memoryBytes: 0n,
  };
}

function durations(of: (name: DurationName) => StatisticDuration): Readonly<Record<DurationName, StatisticDuration>> {
  const [success, fail, queue, computeInput, computeInfer, computeOutput, cacheHit, cacheMiss] = DURATION_NAMES;
  return {
    [success]: of(success),
    [fail]: of(fail),
    [queue]: of(queue),
    [computeInput]: of(computeInput),
    [computeInfer]: of(computeInfer),
    [computeOutput]: of(computeOutput),
    [cacheHit]: of(cacheHit),
    [cacheMiss]: of(cacheMiss),
  };
}
