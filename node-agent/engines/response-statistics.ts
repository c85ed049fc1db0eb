/**
 * What a decoupled model's answers have come to, by their place among the answers of their request, as the statistics extension's
 * `response_stats` has it: a success or failure takes as long as making and handing it out. Pure.
 */
import { LatencyBins, type SparseBins } from "../../core/telemetry/latency-bins.ts";
import { type Duration, DurationSum } from "./duration-sum.ts";

/** `empty`: the end of a request, without an answer. `cancel`: the request was canceled before this answer. */
export type ResponseOutcome = "success" | "fail" | "empty" | "cancel";

export interface ResponseTimes {
  readonly inferUs: number;
  readonly outputUs: number;
  /** Since the request came. */
  readonly ageUs: number;
}

export interface ResponsePlaceStatistics extends Readonly<Record<ResponseOutcome, Duration>> {
  readonly computeInfer: Duration;
  readonly computeOutput: Duration;
}

export interface ResponseStatistics {
  /** By place; the last one counts all that follow, too. */
  readonly places: readonly ResponsePlaceStatistics[];
  /** How long requests waited for their first answer. */
  readonly first: Duration;
  readonly firstBins: SparseBins;
}

/** Places that are told apart. */
export const RESPONSE_PLACES_MAX = 256;

type PlaceSums = { readonly [Part in keyof ResponsePlaceStatistics]: DurationSum };

export class ResponseCounter {
  readonly #places: PlaceSums[] = [];
  readonly #first = new DurationSum(new LatencyBins());

  add(place: number, outcome: ResponseOutcome, { inferUs, outputUs, ageUs }: ResponseTimes): void {
    const sums = this.#place(Math.min(place, RESPONSE_PLACES_MAX - 1));
    sums[outcome].add(inferUs + outputUs);
    if (outcome === "cancel") return;
    sums.computeInfer.add(inferUs);
    if (outcome === "empty") return;
    sums.computeOutput.add(outputUs);
    if (place === 0) this.#first.add(ageUs);
  }

  snapshot(): ResponseStatistics {
    return {
      first: this.#first.snapshot(),
      firstBins: this.#first.bins?.sparse() ?? [],
      places: this.#places.map(({ computeInfer, computeOutput, success, fail, empty, cancel }) => ({
        computeInfer: computeInfer.snapshot(),
        computeOutput: computeOutput.snapshot(),
        success: success.snapshot(),
        fail: fail.snapshot(),
        empty: empty.snapshot(),
        cancel: cancel.snapshot(),
      })),
    };
  }

  #place(place: number): PlaceSums {
    while (this.#places.length < place) this.#places.push(placeSums());
    const sums = this.#places[place] ?? placeSums();
    this.#places[place] = sums;
    return sums;
  }
}

const placeSums = (): PlaceSums => ({
  computeInfer: new DurationSum(),
  computeOutput: new DurationSum(),
  success: new DurationSum(),
  fail: new DurationSum(),
  empty: new DurationSum(),
  cancel: new DurationSum(),
});
