import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../core/random.ts";
import { gapsOf, givenGaps, parseIntervals } from "../../../loadgen/arrivals.ts";

describe("arrivals", () => {
  test("at a constant rate are equally far apart, whatever chance says", () => {
    expect([0, 0.5, 0.999].map((chance) => gapsOf("constant", 250, () => chance)())).toEqual([4, 4, 4]);
  });

  test("of a Poisson process have the rate on average and gaps as wide as their average", () => {
    const random = seededRandom(7n);
    const gaps = Array.from(
      { length: 20_000 },
      gapsOf("poisson", 250, () => random.next()),
    );
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(mean).toBeCloseTo(4, 0);
    expect(deviation / mean).toBeCloseTo(1, 1);
    expect(gaps.every((gap) => gap >= 0 && Number.isFinite(gap))).toBe(true);
  });

  test("that a file gives come in its order, again and again", () => {
    expect(Array.from({ length: 5 }, givenGaps(parseIntervals("1000\n250\n\n")))).toEqual([1, 0.25, 1, 0.25, 1]);
  });

  test.each(["", "x", "0", "-5", "1 2", "Infinity"])("are no file of intervals: %j", (text) => {
    expect(() => parseIntervals(text)).toThrow("the file has microseconds above 0, one a line");
  });
});
