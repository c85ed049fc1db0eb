/** What many durations come to. Pure. */

export interface Latencies {
  readonly count: number;
  readonly averageMs: number;
  readonly deviationMs: number;
  /** The smallest duration that so many percent do not pass. */
  percentileMs(percent: number): number;
}

/** @param durations milliseconds, in any order; the list is not kept */
export function latenciesOf(durations: readonly number[] | Float64Array): Latencies {
  const sorted = Float64Array.from(durations).sort();
  const count = sorted.length;
  const averageMs = count === 0 ? Number.NaN : sorted.reduce((sum, one) => sum + one, 0) / count;
  const variance = sorted.reduce((sum, one) => sum + (one - averageMs) ** 2, 0) / Math.max(1, count - 1);
  return {
    count,
    averageMs,
    deviationMs: count === 0 ? Number.NaN : Math.sqrt(variance),
    percentileMs: (percent) => sorted[Math.max(0, Math.ceil((percent / 100) * count) - 1)] ?? Number.NaN,
  };
}
