/** What the server's metrics said between two looks: gauges as averages, counters as growth a second. Pure. */

export interface ServerMetric {
  /** With its labels, as it stands in Prometheus's text. */
  readonly name: string;
  readonly kind: "average" | "per-second";
  readonly value: number;
}

export interface MetricsLook {
  readonly atMs: number;
  /** Prometheus's text. */
  readonly text: string;
}

/** Those that are not 0 all the time. @param looks in the order of time */
export function serverMetrics(looks: readonly MetricsLook[]): readonly ServerMetric[] {
  const [first, last] = [looks[0], looks.at(-1)];
  if (first === undefined || last === undefined || looks.length < 2) return [];
  const seconds = (last.atMs - first.atMs) / 1_000;
  const samples = looks.map(({ text }) => samplesOf(text));
  const types = typesOf(last.text);
  return [...(samples.at(-1) ?? [])].flatMap(([name, end]): readonly ServerMetric[] => {
    const type = types.get(name.replace(/\{.*$/, ""));
    if (type === "counter") {
      const value = (end - (samples[0]?.get(name) ?? 0)) / seconds;
      return value === 0 ? [] : [{ name, kind: "per-second", value }];
    }
    if (type !== "gauge") return [];
    const value = samples.reduce((sum, sample) => sum + (sample.get(name) ?? 0), 0) / samples.length;
    return value === 0 ? [] : [{ name, kind: "average", value }];
  });
}

function samplesOf(text: string): ReadonlyMap<string, number> {
  const rows = text.matchAll(/^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)/gm);
  return new Map(Array.from(rows, ([, name = "", value]) => [name, Number(value)]));
}

function typesOf(text: string): ReadonlyMap<string, string> {
  return new Map(Array.from(text.matchAll(/^# TYPE (\S+) (\w+)/gm), ([, name = "", type = ""]) => [name, type]));
}
