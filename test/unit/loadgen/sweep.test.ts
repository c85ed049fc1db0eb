import { describe, expect, test } from "vitest";
import { levels, nextLevel, range, type Search, type TriedLevel } from "../../../loadgen/sweep.ts";

const whole = range({ whole: true, most: 100 });

describe("a range of levels", () => {
  test("is a single level, or goes from start to end by the step", () => {
    const read = (text: string) => {
      const parsed = whole.parse(text);
      return parsed === undefined ? undefined : levels(parsed);
    };
    expect(read("4")).toEqual([4]);
    expect(read("1:3")).toEqual([1, 2, 3]);
    expect(read("1:8:2")).toEqual([1, 3, 5, 7]);
    expect(read("2:2:9")).toEqual([2]);
  });

  test("whose end is 0 goes on, up to the limit", () => {
    const parsed = whole.parse("8:0:32");
    expect(parsed).toEqual({ start: 8, end: 100, step: 32, isOpen: true });
    expect(parsed === undefined ? [] : levels(parsed)).toEqual([8, 40, 72]);
  });

  test("reaches its end with steps that no binary number holds", () => {
    const parsed = range({ whole: false, most: 100 }).parse("0.1:0.5:0.1");
    expect(parsed === undefined ? [] : levels(parsed)).toHaveLength(5);
  });

  test.each(["", "0", "-1", "1.5", "3:1", "1:4:0", "1:2:3:4", "1:", "x", "101"])("is not %j", (text) => {
    expect(whole.parse(text)).toBeUndefined();
  });
});

/** The places that are measured of eight levels, where the latency is too long from `over` on. */
function measured(search: Search, over: number): readonly number[] {
  const tried: TriedLevel[] = [];
  for (let place = nextLevel(search, 8, tried); place !== undefined; place = nextLevel(search, 8, tried))
    tried.push({ place, isOver: place >= over });
  return tried.map(({ place }) => place);
}

describe("the levels of a range", () => {
  test("are measured one after the other, up to the first whose latency is too long", () => {
    expect(measured("linear", 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(measured("linear", 2)).toEqual([0, 1, 2]);
  });

  test("are halved by a binary search, until the highest that does and the lowest that does not are neighbors", () => {
    expect(measured("binary", 0)).toEqual([0]);
    expect(measured("binary", 8)).toEqual([0, 7]);
    for (let over = 1; over < 8; over++) expect(measured("binary", over)).toEqual(expect.arrayContaining([over - 1, over]));
    expect(measured("binary", 3)).toEqual([0, 7, 3, 1, 2]);
  });
});
