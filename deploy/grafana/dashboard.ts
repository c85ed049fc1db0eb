/** The Grafana dashboard, made from the metrics' own tables: `deploy/grafana/nereid.json` is printed from this. Pure. */
import { FLEET_METRICS as FLEET, TRITON_METRICS as TRITON } from "../../core/telemetry/gathered-metrics-table.ts";
import { METRICS as OWN } from "../../core/telemetry/metrics-table.ts";

interface Panel {
  readonly title: string;
  /** Grafana's name of it. */
  readonly unit: string;
  /** Each with the legend of its lines. */
  readonly queries: readonly (readonly [expression: string, legend: string])[];
}

const RATE = "[$__rate_interval]";
const BY_MODEL = "{{model}} {{version}}";

/** Several gateways tell the same of all nodes: the furthest one counts. */
const rate = (name: string, by: string): string => `sum by (${by}) (max without (instance) (rate(${name}${RATE})))`;
const quantile = (q: number, name: string, by: string, filter = ""): string =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${name}_bucket${filter}${RATE})))`;

const PANELS: readonly Panel[] = [
  { title: "Inferences per second", unit: "reqps", queries: [[rate(TRITON.success.name, "model, version"), BY_MODEL]] },
  { title: "Failures per second", unit: "reqps", queries: [[rate(TRITON.failure.name, "model, reason"), "{{model}} {{reason}}"]] },
  {
    title: "Inference time",
    unit: "s",
    queries: [0.5, 0.99].map((q) => [quantile(q, FLEET.stageSeconds.name, "model", '{stage="request"}'), `{{model}} p${100 * q}`] as const),
  },
  { title: "Time by stage, p99", unit: "s", queries: [[quantile(0.99, FLEET.stageSeconds.name, "model, stage"), "{{model}} {{stage}}"]] },
  {
    title: "Waiting and running",
    unit: "short",
    queries: [
      [`max by (model) (${TRITON.pending.name})`, "{{model}} waiting"],
      [`max by (model) (${FLEET.running.name})`, "{{model}} running"],
    ],
  },
  {
    title: "Mean batch size",
    unit: "short",
    queries: [[`${rate(`${FLEET.batchSize.name}_sum`, "model")} / ${rate(`${FLEET.batchSize.name}_count`, "model")}`, "{{model}}"]],
  },
  {
    title: "Time to first token",
    unit: "s",
    queries: [0.5, 0.99].map((q) => [quantile(q, OWN.timeToFirstToken.name, "model"), `{{model}} p${100 * q}`] as const),
  },
  {
    title: "Time between tokens",
    unit: "s",
    queries: [0.5, 0.99].map((q) => [quantile(q, OWN.interToken.name, "model"), `{{model}} p${100 * q}`] as const),
  },
  { title: "Tokens per second", unit: "short", queries: [[`sum by (model) (rate(${OWN.completionTokens.name}${RATE}))`, "{{model}}"]] },
  {
    title: "Slots",
    unit: "short",
    queries: [
      [`sum by (model) (${OWN.slotsBusy.name})`, "{{model}} busy"],
      [`sum by (model) (${OWN.slots.name})`, "{{model}} of"],
      [`sum by (model) (${OWN.generationsQueued.name})`, "{{model}} waiting"],
    ],
  },
  {
    title: "Memory",
    unit: "bytes",
    queries: [
      [`max by (model, version) (${FLEET.modelMemory.name})`, BY_MODEL],
      [`max by (model, node, stage) (${FLEET.shardMemory.name})`, "{{model}} stage {{stage}} on {{node}}"],
      [`max by (node) (${FLEET.nodeMemoryFree.name})`, "{{node}} free"],
    ],
  },
  {
    title: "Nodes and restarts",
    unit: "short",
    queries: [
      [`max(${FLEET.nodes.name})`, "nodes"],
      [`sum by (model) (increase(${OWN.runnerRestarts.name}[5m]))`, "{{model}} restarts in 5 min"],
    ],
  },
];

const COLUMNS = 2;
const WIDTH = 24 / COLUMNS;
const HEIGHT = 8;
const SOURCE = { type: "prometheus", uid: `\${source}` } as const;

export function dashboardJson(): string {
  const dashboard = {
    title: "Nereid",
    uid: "nereid",
    schemaVersion: 39,
    refresh: "10s",
    time: { from: "now-30m", to: "now" },
    templating: { list: [{ name: "source", type: "datasource", query: "prometheus" }] },
    panels: PANELS.map(({ title, unit, queries }, place) => ({
      id: place + 1,
      title,
      type: "timeseries",
      datasource: SOURCE,
      gridPos: { x: (place % COLUMNS) * WIDTH, y: Math.floor(place / COLUMNS) * HEIGHT, w: WIDTH, h: HEIGHT },
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      targets: queries.map(([expr, legendFormat], index) => ({
        refId: String.fromCharCode(65 + index),
        datasource: SOURCE,
        expr,
        legendFormat,
      })),
    })),
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}
