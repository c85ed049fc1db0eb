/** What a hosted version has done since it was loaded, counted as Triton's statistics extension does. Pure. */
import type { InferTimes } from "../../core/messages/infer.ts";
import { LatencyBins, type SparseBins } from "../../core/telemetry/latency-bins.ts";
import { type Duration, DurationSum } from "./duration-sum.ts";
import { ResponseCounter, type ResponseOutcome, type ResponseStatistics, type ResponseTimes } from "./response-statistics.ts";

/** Why requests failed: refused by the queue or too late in it; not wanted any more; the model's or its runner's fault; anything else. */
export type FailureReason = "REJECTED" | "CANCELED" | "BACKEND" | "OTHER";

export interface BatchSizeStatistics {
  readonly batchSize: number;
  readonly computeInput: Duration;
  readonly computeInfer: Duration;
  readonly computeOutput: Duration;
}

export interface ModelStatistics {
  /** Unix time in milliseconds; 0: never. */
  readonly lastInferenceMs: number;
  /** Elements along the batch dimension of requests that succeeded, those from the cache not counted. */
  readonly inferenceCount: number;
  /** Batches that were executed with success. */
  readonly executionCount: number;
  readonly success: Duration;
  readonly fail: Duration;
  readonly queue: Duration;
  /** Each request adds its whole batch's time. */
  readonly computeInput: Duration;
  readonly computeInfer: Duration;
  readonly computeOutput: Duration;
  readonly cacheHit: Duration;
  readonly cacheMiss: Duration;
  /** By batch size, ascending; counts are executions. */
  readonly batches: readonly BatchSizeStatistics[];
  readonly failures: Readonly<Record<FailureReason, number>>;
  /** Of requests that succeeded; the compute stages without those from the cache. */
  readonly latencies: Readonly<Record<LatencyStage, SparseBins>>;
  /** Of models that answer any number of times, once they have. */
  readonly responses?: ResponseStatistics;
}

export type LatencyStage = "request" | "queue" | "computeInput" | "computeInfer" | "computeOutput";

interface BatchSums {
  readonly computeInput: DurationSum;
  readonly computeInfer: DurationSum;
  readonly computeOutput: DurationSum;
}

const batchSums = (): BatchSums => ({ computeInput: new DurationSum(), computeInfer: new DurationSum(), computeOutput: new DurationSum() });
const timed = (): DurationSum => new DurationSum(new LatencyBins());

export class StatisticsCounter {
  readonly #success = timed();
  readonly #fail = new DurationSum();
  readonly #queue = timed();
  readonly #compute = { computeInput: timed(), computeInfer: timed(), computeOutput: timed() };
  readonly #cacheHit = new DurationSum();
  readonly #cacheMiss = new DurationSum();
  readonly #batches = new Map<number, BatchSums>();
  readonly #failures: Record<FailureReason, number> = { REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0 };
  /** Of a model that answers any number of times. */
  #responses: ResponseCounter | undefined;
  #lastInferenceMs = 0;
  #inferences = 0;
  #executions = 0;

  /** A batch was run; its requests are counted by `succeeded`. */
  executed(batchSize: number, times: Omit<InferTimes, "queueUs">, wallClockMs: number): void {
    this.#executions += 1;
    this.#lastInferenceMs = Math.max(this.#lastInferenceMs, Math.floor(wallClockMs));
    let sums = this.#batches.get(batchSize);
    if (sums === undefined) {
      sums = batchSums();
      this.#batches.set(batchSize, sums);
    }
    addTimes(sums, times);
  }

  /** @param totalUs from arrival to answer */
  succeeded(size: number, times: InferTimes, totalUs: number): void {
    this.#inferences += size;
    this.#success.add(totalUs);
    this.#queue.add(times.queueUs);
    addTimes(this.#compute, times);
  }

  /** One of any number of answers; the request is counted when it ends. @param place among the request's answers */
  responded(place: number, outcome: ResponseOutcome, times: ResponseTimes): void {
    this.#responses ??= new ResponseCounter();
    this.#responses.add(place, outcome, times);
  }

  /** An answer from the cache. */
  hit({ lookupUs, totalUs }: { readonly lookupUs: number; readonly totalUs: number }): void {
    this.#cacheHit.add(lookupUs);
    this.#success.add(totalUs);
    this.#queue.add(totalUs - lookupUs);
  }

  /** @param us looking it up and keeping the answer */
  missed(us: number): void {
    this.#cacheMiss.add(us);
  }

  failed(reason: FailureReason, totalUs: number): void {
    this.#failures[reason] += 1;
    this.#fail.add(totalUs);
  }

  snapshot(): ModelStatistics {
    const batches = [...this.#batches].sort(([one], [other]) => one - other);
    return {
      lastInferenceMs: this.#lastInferenceMs,
      inferenceCount: this.#inferences,
      executionCount: this.#executions,
      success: this.#success.snapshot(),
      fail: this.#fail.snapshot(),
      queue: this.#queue.snapshot(),
      ...durations(this.#compute),
      cacheHit: this.#cacheHit.snapshot(),
      cacheMiss: this.#cacheMiss.snapshot(),
      batches: batches.map(([batchSize, sums]) => ({ batchSize, ...durations(sums) })),
      failures: { ...this.#failures },
      latencies: {
        request: sparse(this.#success),
        queue: sparse(this.#queue),
        computeInput: sparse(this.#compute.computeInput),
        computeInfer: sparse(this.#compute.computeInfer),
        computeOutput: sparse(this.#compute.computeOutput),
      },
      ...(this.#responses !== undefined && { responses: this.#responses.snapshot() }),
    };
  }
}

const sparse = ({ bins }: DurationSum): SparseBins => bins?.sparse() ?? [];

function addTimes(sums: BatchSums, times: Omit<InferTimes, "queueUs">): void {
  sums.computeInput.add(times.computeInputUs);
  sums.computeInfer.add(times.computeInferUs);
  sums.computeOutput.add(times.computeOutputUs);
}

const durations = ({ computeInput, computeInfer, computeOutput }: BatchSums) => ({
  computeInput: computeInput.snapshot(),
  computeInfer: computeInfer.snapshot(),
  computeOutput: computeOutput.snapshot(),
});
