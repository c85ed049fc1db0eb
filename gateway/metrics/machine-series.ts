/** Series of this machine and of the nodes: CPU and memory. */
import { cpus, totalmem } from "node:os";
import type { Clock } from "../../core/clock.ts";
import type { MetricFamily, MetricSample } from "../../core/telemetry/exposition.ts";
import { FLEET_METRICS, type GatheredMetric, TRITON_METRICS } from "../../core/telemetry/gathered-metrics-table.ts";
import type { Fleet } from "../control/fleet.ts";

/** What Triton calls the machine: the one that the gateway runs on. */
export class MachineSeries {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  #last = cpuTimes();
  #lastMs: number;
  #utilization = 0;

  /** @param intervalMs over which utilization is measured, at least */
  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#lastMs = clock.now();
  }

  families(): readonly MetricFamily[] {
    if (this.#clock.now() - this.#lastMs >= this.#intervalMs) this.#measure();
    return [
      plain(TRITON_METRICS.cpuUtilization, this.#utilization),
      plain(TRITON_METRICS.cpuMemoryTotal, totalmem()),
      plain(TRITON_METRICS.cpuMemoryUsed, totalmem() - process.availableMemory()),
      // Without a GPU no memory is pinned.
      plain(TRITON_METRICS.pinnedTotal, 0),
      plain(TRITON_METRICS.pinnedUsed, 0),
    ];
  }

  #measure(): void {
    const now = cpuTimes();
    const all = now.all - this.#last.all;
    this.#utilization = all === 0 ? 0 : (now.busy - this.#last.busy) / all;
    this.#last = now;
    this.#lastMs = this.#clock.now();
  }
}

export function fleetFamilies(fleet: Pick<Fleet, "nodes" | "shards">): readonly MetricFamily[] {
  const nodes = fleet.nodes();
  const shards = fleet
    .shards()
    .flatMap(({ node, model, version, stage, state }): readonly MetricSample[] =>
      state.kind === "open" ? [{ labels: { node, model, version, stage: String(stage) }, value: state.residentBytes }] : [],
    );
  const ofNode = (described: GatheredMetric, of: (node: (typeof nodes)[number]) => number): MetricFamily => ({
    described,
    samples: nodes.map((node) => ({ labels: { node: node.node }, value: of(node) })),
  });
  return [
    plain(FLEET_METRICS.nodes, nodes.length),
    ofNode(FLEET_METRICS.nodeMemoryTotal, ({ heartbeat }) => heartbeat.memoryTotalBytes),
    ofNode(FLEET_METRICS.nodeMemoryFree, ({ heartbeat }) => heartbeat.memoryFreeBytes),
    { described: FLEET_METRICS.shardMemory, samples: shards },
    plain(FLEET_METRICS.gatewayMemory, process.memoryUsage.rss()),
  ];
}

function plain(described: GatheredMetric, value: number): MetricFamily {
  return { described, samples: [{ labels: {}, value }] };
}

function cpuTimes(): { readonly all: number; readonly busy: number } {
  let [all, idle] = [0, 0];
  for (const { times } of cpus()) {
    all += times.user + times.nice + times.sys + times.irq + times.idle;
    idle += times.idle;
  }
  return { all, busy: all - idle };
}
