import { describe, expect, test } from "vitest";
import { isStable } from "../../../loadgen/stability.ts";

const windows = (...rows: readonly (readonly [perSecond: number, latencyMs: number])[]) =>
  rows.map(([perSecond, latencyMs]) => ({ perSecond, latencyMs }));

describe("a load is stable", () => {
  test("when its last three windows lie within the percentage of their average", () => {
    expect(isStable(windows([10, 9], [100, 1], [109, 1], [91, 1]), 10)).toBe(true);
  });

  test("not before there are three windows", () => {
    expect(isStable(windows([100, 1], [100, 1]), 10)).toBe(false);
  });

  test("not when throughput or latency alone agrees", () => {
    expect(isStable(windows([100, 1], [100, 1], [130, 1]), 10)).toBe(false);
    expect(isStable(windows([100, 1], [100, 1], [100, 2]), 10)).toBe(false);
  });

  test("not when nothing is answered", () => {
    expect(isStable(windows([0, Number.NaN], [0, Number.NaN], [0, Number.NaN]), 10)).toBe(false);
  });
});
