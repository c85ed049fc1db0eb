/** Bins of latencies: what histograms and quantiles made from them promise. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addBins, binsSince, countOf, countsUpTo, LatencyBins, quantileUs } from "../../../../core/telemetry/latency-bins.ts";

const SEED = 20_260_101;
const microseconds = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 200 });

function binsOf(values: readonly number[]): readonly number[] {
  const bins = new LatencyBins();
  for (const value of values) bins.add(value);
  return bins.sparse();
}

describe("bins", () => {
  test("count what took at most a bound of two digits, the bound itself too", () => {
    const bounds = [1, 1.1, 2.3, 10, 25, 100, 110, 250, 1000, 2500, 1e6, 9.9e6];
    expect(countsUpTo(binsOf(bounds), bounds)).toEqual(bounds.map((_, place) => place + 1));
    expect(countsUpTo(binsOf(bounds.map((bound) => bound * 1.0001)), bounds)).toEqual(bounds.map((_, place) => place));
  });

  test("count everything once, and what is added up is what would have been counted together", () => {
    fc.assert(
      fc.property(microseconds, microseconds, (one, other) => {
        const sum = addBins([binsOf(one), binsOf(other)]);
        expect(sum).toEqual(binsOf([...one, ...other]));
        expect(countOf(sum)).toBe(one.length + other.length);
        expect(binsSince(sum, binsOf(one))).toEqual(binsOf(other));
      }),
      { seed: SEED },
    );
  });

  test("give quantiles that are at most a tenth above the true ones", () => {
    fc.assert(
      fc.property(microseconds, fc.double({ min: 0, max: 1, noNaN: true }), (values, quantile) => {
        const sorted = values.toSorted((a, b) => a - b);
        const truth = sorted[Math.max(1, Math.ceil(quantile * sorted.length)) - 1] ?? 0;
        const told = quantileUs(binsOf(values), quantile);
        expect(told).toBeGreaterThanOrEqual(truth * (1 - 1e-6));
        expect(told).toBeLessThanOrEqual(Math.max(1, truth * 1.1));
      }),
      { seed: SEED },
    );
  });

  test("of nothing have no quantile, and what takes longer than hours is in the last one", () => {
    expect(quantileUs([], 0.5)).toBeNaN();
    expect(quantileUs(binsOf([1e14]), 0.5)).toBe(1e10);
  });
});
