/** What an engine has counted, as it travels to gateways. */
import type { CustomSeries } from "../../core/messages/custom-metrics.ts";
import type { NodeModelStatistics } from "../../core/messages/model-statistics.ts";
import type { Duration } from "../engines/duration-sum.ts";
import type { InferenceEngine } from "../engines/inference-engine.ts";
import type { ResponseStatistics } from "../engines/response-statistics.ts";
import { residentBytes } from "../runners/resident-bytes.ts";

export interface LoadedVersion {
  readonly model: string;
  readonly version: string;
  /** Its answers are kept. */
  readonly cached: boolean;
  /** What loading took. */
  readonly loadMs: number;
  /** What it measures itself; nothing unless said. */
  readonly custom?: readonly CustomSeries[];
}

const pair = ({ count, ns }: Duration): [number, number] => [count, ns];

export function nodeStatistics(
  engine: Pick<InferenceEngine, "statistics" | "load">,
  { model, version, cached, loadMs, custom = [] }: LoadedVersion,
): NodeModelStatistics {
  const told = engine.statistics();
  const { queued, running, pids } = engine.load();
  const { request, queue, computeInput, computeInfer, computeOutput } = told.latencies;
  return {
    model,
    version,
    past: false,
    lastInferenceMs: told.lastInferenceMs,
    inferenceCount: told.inferenceCount,
    executionCount: told.executionCount,
    success: pair(told.success),
    fail: pair(told.fail),
    queue: pair(told.queue),
    computeInput: pair(told.computeInput),
    computeInfer: pair(told.computeInfer),
    computeOutput: pair(told.computeOutput),
    cacheHit: pair(told.cacheHit),
    cacheMiss: pair(told.cacheMiss),
    batches: told.batches.map((batch) => ({
      size: batch.batchSize,
      computeInput: pair(batch.computeInput),
      computeInfer: pair(batch.computeInfer),
      computeOutput: pair(batch.computeOutput),
    })),
    failures: { ...told.failures },
    latencies: {
      request: [...request],
      queue: [...queue],
      computeInput: [...computeInput],
      computeInfer: [...computeInfer],
      computeOutput: [...computeOutput],
    },
    ...(told.responses !== undefined && { responses: responsesOf(told.responses) }),
    ...(custom.length > 0 && { custom: [...custom] }),
    cached,
    pending: queued,
    running,
    loadMs,
    residentBytes: residentBytes(pids ?? []),
  };
}

function responsesOf({ places, first, firstBins }: ResponseStatistics): NonNullable<NodeModelStatistics["responses"]> {
  return {
    places: places.map(({ computeInfer, computeOutput, success, fail, empty, cancel }) => ({
      computeInfer: pair(computeInfer),
      computeOutput: pair(computeOutput),
      success: pair(success),
      fail: pair(fail),
      empty: pair(empty),
      cancel: pair(cancel),
    })),
    first: pair(first),
    firstBins: [...firstBins],
  };
}
