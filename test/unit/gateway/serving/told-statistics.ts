/** What a node may say of a model version. */
import type { NodeModelStatistics } from "../../../../core/messages/model-statistics.ts";
import { LatencyBins } from "../../../../core/telemetry/latency-bins.ts";

/** Everything in it is `times` as much. */
export function told(model: string, times: number, version = "1"): NodeModelStatistics {
  const pair = (count: number): [number, number] => [count * times, count * 1000 * times];
  return {
    model,
    version,
    past: false,
    lastInferenceMs: 5_000 + times,
    inferenceCount: 8 * times,
    executionCount: 3 * times,
    success: pair(6),
    fail: pair(1),
    queue: pair(5),
    computeInput: pair(2),
    computeInfer: pair(3),
    computeOutput: pair(4),
    cacheHit: pair(9),
    cacheMiss: pair(7),
    batches: [{ size: times, computeInput: pair(2), computeInfer: pair(3), computeOutput: pair(4) }],
    failures: { REJECTED: times, CANCELED: 2 * times, BACKEND: 0, OTHER: 0 },
    latencies: { request: [10, 6 * times], queue: [0, 5 * times], computeInput: [], computeInfer: [20, 3 * times], computeOutput: [] },
    cached: false,
    pending: times,
    running: 2 * times,
    loadMs: 1_500,
    residentBytes: 1_000 * times,
  };
}

/** The same of a decoupled model: so many answers at each of two places, the first after 200 ms. */
export function toldOften(model: string, times: number): NodeModelStatistics {
  const pair = (count: number): [number, number] => [count * times, count * 1000 * times];
  const none: [number, number] = [0, 0];
  const answered = { computeInfer: pair(1), computeOutput: pair(1), success: pair(1), fail: none, empty: none, cancel: none };
  const ended = { ...answered, computeOutput: none, success: none, empty: pair(1) };
  const bins = new LatencyBins();
  for (let count = 0; count < times; count++) bins.add(200_000);
  return { ...told(model, times), responses: { places: [answered, ended], first: [times, times * 200e6], firstBins: bins.sparse() } };
}
