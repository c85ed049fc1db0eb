import { describe, expect, test } from "vitest";
import { latenciesOf } from "../../../loadgen/latencies.ts";

describe("latencies", () => {
  test("have percentiles that are among them: the smallest that so many percent do not pass", () => {
    const latencies = latenciesOf(Array.from({ length: 200 }, (_, index) => 200 - index));
    expect([50, 90, 95, 99, 100].map((percent) => latencies.percentileMs(percent))).toEqual([100, 180, 190, 198, 200]);
    expect(latencies.percentileMs(0)).toBe(1);
    expect(latencies.averageMs).toBe(100.5);
  });

  test("of a single request are all the same", () => {
    const { count, averageMs, deviationMs, percentileMs } = latenciesOf([3]);
    expect([count, averageMs, deviationMs, percentileMs(1), percentileMs(99)]).toEqual([1, 3, 0, 3, 3]);
  });

  test("of no request are no numbers", () => {
    const latencies = latenciesOf([]);
    expect([latencies.averageMs, latencies.percentileMs(50)]).toEqual([Number.NaN, Number.NaN]);
  });
});
