import { expect, test } from "vitest";
import { type CustomSeries, seriesAtRest, sumSeries } from "../../../../core/messages/custom-metrics.ts";

const series = (type: CustomSeries["type"], value: number, more: Partial<CustomSeries> = {}): CustomSeries => ({
  family: type,
  type,
  help: "",
  labels: {},
  value,
  bounds: [],
  counts: [],
  ...more,
});

test("series of equal names and labels add up, buckets each by itself; other labels are another series", () => {
  const histogram = (counts: number[]) => series("histogram", 3, { bounds: [1], counts });
  const labeled = series("counter", 5, { labels: { a: "b" } });
  expect(
    sumSeries([series("counter", 1), histogram([1, 0]), labeled, series("counter", 2), histogram([2, 3]), series("gauge", -1)]),
  ).toEqual([series("counter", 3), series("histogram", 6, { bounds: [1], counts: [3, 3] }), labeled, series("gauge", -1)]);
});

test("what has the same name and is another kind, or has other buckets, is left out", () => {
  const counter = series("counter", 1, { family: "x" });
  expect(sumSeries([counter, series("gauge", 2, { family: "x" })])).toEqual([counter]);
  const histogram = series("histogram", 1, { bounds: [1], counts: [1, 0] });
  expect(sumSeries([histogram, series("histogram", 1, { bounds: [2], counts: [1, 0] })])).toEqual([histogram]);
});

test("of a process that is gone counts stay, and gauges do not", () => {
  expect(seriesAtRest([series("counter", 1), series("gauge", 2), series("histogram", 3)]).map(({ type }) => type)).toEqual([
    "counter",
    "histogram",
  ]);
});
