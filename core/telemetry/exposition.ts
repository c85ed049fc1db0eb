/** Prometheus' text form of metrics that are computed when they are asked for. Pure. */

export interface FamilyDescription {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  readonly help: string;
}

export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Of histograms and summaries. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
}

export interface MetricFamily {
  readonly described: FamilyDescription;
  readonly samples: readonly MetricSample[];
}

/** Families without samples are left out, as Triton does. Labels stand in alphabetical order. */
export function expositionText(families: readonly MetricFamily[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ described: { name, type, help }, samples }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map((one) => sampleText(name, one)).join("")}`,
    )
    .join("");
}

/** @param counts how many are at most as much as each bound @param total what all of them add up to */
export function histogramSamples(
  labels: MetricSample["labels"],
  bounds: readonly number[],
  { counts, count, total }: { readonly counts: readonly number[]; readonly count: number; readonly total: number },
): readonly MetricSample[] {
  return [
    ...bounds.map((bound, place) => ({ suffix: "_bucket" as const, labels: { ...labels, le: String(bound) }, value: counts[place] ?? 0 })),
    { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: count },
    { suffix: "_sum", labels, value: total },
    { suffix: "_count", labels, value: count },
  ];
}

function sampleText(name: string, { labels, value, suffix }: MetricSample): string {
  const pairs = Object.entries(labels)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([label, text]) => `${label}="${escaped(text)}"`);
  const given = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
  return `${name}${suffix ?? ""}${given} ${Number.isNaN(value) ? "NaN" : value}\n`;
}

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
