/** A version's statistics as protobuf has them. Pure. */
import type { DurationName, ModelStatistics } from "../serving/model-catalog.ts";

export function statisticsMessage({ durations, ...statistics }: ModelStatistics) {
  const { name, version, lastInferenceMs, inferenceCount, executionCount, responses, batches, memoryBytes } = statistics;
  const duration = (which: DurationName) => durations[which];
  return {
    name,
    version,
    lastInference: lastInferenceMs,
    inferenceCount,
    executionCount,
    inferenceStats: {
      success: duration("success"),
      fail: duration("fail"),
      queue: duration("queue"),
      computeInput: duration("compute_input"),
      computeInfer: duration("compute_infer"),
      computeOutput: duration("compute_output"),
      cacheHit: duration("cache_hit"),
      cacheMiss: duration("cache_miss"),
    },
    responseStats: Object.fromEntries(responses.map((durations, place) => [String(place), responseMessage(durations)])),
    batchStats: batches.map(({ batchSize, computeInput, computeInfer, computeOutput }) => ({
      batchSize,
      computeInput,
      computeInfer,
      computeOutput,
    })),
    memoryUsage: memoryBytes === 0n ? [] : [{ type: "CPU", id: 0n, byteSize: memoryBytes }],
  };
}

function responseMessage(durations: ModelStatistics["responses"][number]) {
  return {
    computeInfer: durations.compute_infer,
    computeOutput: durations.compute_output,
    success: durations.success,
    fail: durations.fail,
    emptyResponse: durations.empty_response,
    cancel: durations.cancel,
  };
}
