/** What a batch cost, for statistics and for each of its requests. Pure. */
import type { InferTimes } from "../../../core/messages/infer.ts";
import type { BatchResult } from "../../../core/wire/model-runner.ts";

export type ComputeTimes = Omit<InferTimes, "queueUs">;

/** The way to the runner and back is part of what inputs and outputs cost. */
export function computeTimes({ inputUs, inferUs, outputUs }: Omit<BatchResult, "outputs">, tookMs: number): ComputeTimes {
  const wayUs = Math.max(0, tookMs * 1000 - inputUs - inferUs - outputUs);
  return { computeInputUs: inputUs + wayUs / 2, computeInferUs: inferUs, computeOutputUs: outputUs + wayUs / 2 };
}
