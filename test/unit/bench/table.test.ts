/** Figures of a benchmark: medians, ratios round by round, goals. */
import { describe, expect, test } from "vitest";
import { formatHeader, formatRow, goalIsMet, median, type Row, ratios } from "../../../bench/table.ts";

const row = (fields: Partial<Row>): Row => ({ name: "decode 1", unit: "tok/s", better: "more", ours: [], peer: [], ...fields });

describe("the median", () => {
  test("is the middle of an odd count and the mean of the two middle ones of an even count, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test("of nothing is no number", () => {
    expect(median([])).toBeNaN();
  });
});

describe("a row's ratios", () => {
  test("compare figures of the same round, so that a slow round counts against neither side", () => {
    expect(ratios(row({ ours: [10, 20], peer: [5, 10] }))).toEqual([2, 2]);
  });

  test("are above one where ours is better, also where less is better", () => {
    expect(ratios(row({ better: "less", ours: [50], peer: [100] }))).toEqual([2]);
  });

  test("leave out rounds that only one side has finished", () => {
    expect(ratios(row({ ours: [10, 20, 30], peer: [5] }))).toEqual([2]);
  });
});

describe("a goal", () => {
  test("of a ratio is held against the median over the rounds", () => {
    const goal = { kind: "ratio", least: 1 } as const;
    expect(goalIsMet(row({ ours: [9, 11, 12], peer: [10, 10, 10], goal }))).toBe(true);
    expect(goalIsMet(row({ ours: [9, 9, 12], peer: [10, 10, 10], goal }))).toBe(false);
  });

  test("of a figure is the most that the median may be", () => {
    const goal = { kind: "figure", most: 3 } as const;
    expect(goalIsMet(row({ better: "less", ours: [2, 3, 9], goal }))).toBe(true);
    expect(goalIsMet(row({ better: "less", ours: [2, 4, 9], goal }))).toBe(false);
  });

  test("that nothing was measured for is not met", () => {
    expect(goalIsMet(row({ goal: { kind: "ratio", least: 1 } }))).toBe(false);
  });

  test("is unknown where there is none", () => {
    expect(goalIsMet(row({ ours: [1] }))).toBeUndefined();
  });
});

describe("a printed row", () => {
  test("has both sides' medians and spreads, the ratio and whether the goal is met", () => {
    const line = formatRow(row({ ours: [10, 20, 30], peer: [10, 10, 10], goal: { kind: "ratio", least: 1 } }));
    expect(line).toContain("20.0 [10.0..30.0]");
    expect(line).toContain("10.0 [10.0..10.0]");
    expect(line).toContain("2.00 [1.00..3.00]");
    expect(line).toContain("≥ 1.00 met");
  });

  test("says when a goal is missed", () => {
    expect(formatRow(row({ unit: "ms", better: "less", ours: [7], goal: { kind: "figure", most: 3 } }))).toContain("≤ 3 ms SHORT");
  });

  test("keeps its columns under the header's", () => {
    const line = formatRow(row({ ours: [1], peer: [1], goal: { kind: "ratio", least: 1 } }));
    expect(line.indexOf("≥")).toBe(formatHeader("peer").indexOf("goal"));
  });
});
