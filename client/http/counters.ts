/** Statistics as JSON, with all their digits. Pure. */
import { jsonField, jsonList, jsonObject, jsonText } from "../../core/model/json-value.ts";
import { BATCH_DURATIONS, type Durations, INFER_DURATIONS, type ModelStatistics, RESPONSE_DURATIONS } from "../answers.ts";

export function readStatistics(json: unknown): ModelStatistics {
  return {
    name: jsonText(json, "name") ?? "",
    version: jsonText(json, "version") ?? "",
    lastInference: wholeNumber(json, "last_inference"),
    inferenceCount: wholeNumber(json, "inference_count"),
    executionCount: wholeNumber(json, "execution_count"),
    inferenceStats: durations(jsonField(json, "inference_stats"), INFER_DURATIONS),
    batchStats: jsonList(json, "batch_stats").map((batch) => ({
      batchSize: wholeNumber(batch, "batch_size"),
      ...durations(batch, BATCH_DURATIONS),
    })),
    memoryUsage: jsonList(json, "memory_usage").map((usage) => ({
      type: jsonText(usage, "type") ?? "",
      id: wholeNumber(usage, "id"),
      byteSize: wholeNumber(usage, "byte_size"),
    })),
    responseStats: Object.fromEntries(
      Object.entries(jsonObject(json, "response_stats") ?? {}).map(([index, stats]) => [index, durations(stats, RESPONSE_DURATIONS)]),
    ),
  };
}

/** A field's whole number; 0 where there is none. */
export function wholeNumber(json: unknown, name: string): bigint {
  const value = jsonField(json, name);
  if (typeof value === "bigint") return value;
  return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : 0n;
}

function durations<Name extends string>(json: unknown, names: readonly Name[]): Durations<Name> {
  const read = (name: Name) => {
    const duration = jsonField(json, snakeCase(name));
    return { count: wholeNumber(duration, "count"), ns: wholeNumber(duration, "ns") };
  };
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Durations<Name>;
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
