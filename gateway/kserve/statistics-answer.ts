/** The statistics extension's JSON. Written by hand: counts and nanoseconds keep all digits. Pure. */
import { DURATION_NAMES, type ModelStatistics, RESPONSE_DURATION_NAMES, type StatisticDuration } from "../serving/model-catalog.ts";

export function statisticsText(models: readonly ModelStatistics[]): string {
  return `{"model_stats":[${models.map(modelText).join(",")}]}`;
}

function modelText(statistics: ModelStatistics): string {
  const { name, version, lastInferenceMs, inferenceCount, executionCount, durations, responses, batches, memoryBytes } = statistics;
  const inference = DURATION_NAMES.map((duration) => `"${duration}":${durationText(durations[duration])}`);
  return (
    `{"name":${JSON.stringify(name)},"version":"${version}","last_inference":${lastInferenceMs},"inference_count":${inferenceCount},` +
    `"execution_count":${executionCount},"inference_stats":{${inference.join(",")}},"response_stats":{${responses.map(responseText).join(",")}},` +
    `"batch_stats":[${batches.map(batchText).join(",")}],"memory_usage":[${memoryText(memoryBytes)}]}`
  );
}

function responseText(durations: ModelStatistics["responses"][number], place: number): string {
  return `"${place}":{${RESPONSE_DURATION_NAMES.map((name) => `"${name}":${durationText(durations[name])}`).join(",")}}`;
}

function memoryText(bytes: bigint): string {
  return bytes === 0n ? "" : `{"type":"CPU","id":0,"byte_size":${bytes}}`;
}

function batchText({ batchSize, computeInput, computeInfer, computeOutput }: ModelStatistics["batches"][number]): string {
  return (
    `{"batch_size":${batchSize},"compute_input":${durationText(computeInput)},"compute_infer":${durationText(computeInfer)},` +
    `"compute_output":${durationText(computeOutput)}}`
  );
}

function durationText({ count, ns }: StatisticDuration): string {
  return `{"count":${count},"ns":${ns}}`;
}
