import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../core/random.ts";
import { gapMs } from "../../../loadgen/arrivals.ts";

describe("arrivals", () => {
  test("at a constant rate are equally far apart, whatever chance says", () => {
    expect([0, 0.5, 0.999].map((chance) => gapMs("constant", 250, chance))).toEqual([4, 4, 4]);
  });

  test("of a Poisson process have the rate on average and gaps as wide as their average", () => {
    const random = seededRandom(7n);
    const gaps = Array.from({ length: 20_000 }, () => gapMs("poisson", 250, random.next()));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(mean).toBeCloseTo(4, 0);
    expect(deviation / mean).toBeCloseTo(1, 1);
    expect(gaps.every((gap) => gap >= 0 && Number.isFinite(gap))).toBe(true);
  });
});
