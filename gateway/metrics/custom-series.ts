/** Series that models keep themselves, with the labels that they give them. Pure. */
import { type CustomSeries, sumSeries } from "../../core/messages/custom-metrics.ts";
import { histogramSamples, type MetricFamily, type MetricSample } from "../../core/telemetry/exposition.ts";
import { FLEET_METRICS, TRITON_METRICS } from "../../core/telemetry/gathered-metrics-table.ts";
import { METRICS } from "../../core/telemetry/metrics-table.ts";

/** The server's own, which no model has. */
const TAKEN: ReadonlySet<string> = new Set(
  [METRICS, TRITON_METRICS, FLEET_METRICS].flatMap((table) => Object.values(table).map(({ name }) => name)),
);

/** Models that use one name share the family, and a series where the labels are equal; its kind and help are those of the first. */
export function customFamilies(series: readonly CustomSeries[]): readonly MetricFamily[] {
  const families = new Map<string, CustomSeries[]>();
  for (const one of sumSeries(series)) {
    if (TAKEN.has(one.family)) continue;
    const family = families.get(one.family);
    if (family === undefined) families.set(one.family, [one]);
    else if (family[0]?.type === one.type) family.push(one);
  }
  return [...families.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    const help = first.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
    return [{ described: { name: first.family, type: first.type, help }, samples: same.flatMap(samplesOf) }];
  });
}

function samplesOf({ type, labels, value, bounds, counts }: CustomSeries): readonly MetricSample[] {
  if (type !== "histogram") return [{ labels, value }];
  let count = 0;
  const upTo = counts.map((more) => {
    count += more;
    return count;
  });
  return histogramSamples(labels, bounds, { counts: upTo, count, total: value });
}
