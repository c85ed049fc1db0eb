/** Metrics that models keep themselves, such as Python models through `pb_utils.MetricFamily`: what travels, and how it adds up. Pure. */
import { type Static, Type } from "typebox";

/** One series of a family. */
export const CustomSeries = Type.Object({
  family: Type.String(),
  type: Type.Union([Type.Literal("counter"), Type.Literal("gauge"), Type.Literal("histogram")]),
  help: Type.String(),
  /** By name, in alphabetical order. */
  labels: Type.Record(Type.String(), Type.String()),
  /** Of a histogram: what all that it has seen adds up to. */
  value: Type.Number(),
  /** Of a histogram: upper bounds, ascending, and what was seen up to each and beyond the one before; the last count is of what is above all. */
  bounds: Type.Array(Type.Number()),
  counts: Type.Array(Type.Integer({ minimum: 0 })),
});
export type CustomSeries = Static<typeof CustomSeries>;

/** A change adds to what there is; of a gauge it may replace it. */
export const CustomChanges = Type.Array(Type.Object({ ...CustomSeries.properties, replaces: Type.Boolean() }));
export type CustomChange = Static<typeof CustomChanges>[number];

export const seriesKey = ({ family, labels }: Pick<CustomSeries, "family" | "labels">): string => JSON.stringify([family, labels]);

/** Two of one key, type and bounds as one; undefined where type or bounds differ: they are not the same thing. */
export function addedSeries(one: CustomSeries, other: CustomSeries): CustomSeries | undefined {
  const isSame =
    one.type === other.type && one.bounds.length === other.bounds.length && one.bounds.every((bound, at) => bound === other.bounds[at]);
  if (!isSame) return undefined;
  return { ...one, value: one.value + other.value, counts: one.counts.map((count, at) => count + (other.counts[at] ?? 0)) };
}

/** Of several processes or nodes together, gauges too; what is not the same thing as an earlier one is left out. */
export function sumSeries(parts: readonly CustomSeries[]): CustomSeries[] {
  const sums = new Map<string, CustomSeries>();
  for (const part of parts) {
    const key = seriesKey(part);
    const before = sums.get(key);
    sums.set(key, before === undefined ? part : (addedSeries(before, part) ?? before));
  }
  return [...sums.values()];
}

/** What stays of a process that is gone: what was counted. A gauge says how things are. */
export const seriesAtRest = (series: readonly CustomSeries[]): CustomSeries[] => series.filter(({ type }) => type !== "gauge");
