/** What was measured, as the table that Perf Analyzer writes; microseconds. Pure. */
import { latenciesOf } from "../latencies.ts";
import type { Measurement } from "../measure.ts";

const PERCENTILES = [50, 90, 95, 99];

/** Rows by throughput. What a client spends on sending and receiving is part of the network's column. */
export function csvText(measurements: readonly Measurement[]): string {
  const first = measurements[0]?.level.kind === "request-rate" ? "Request Rate" : "Concurrency";
  const header = [
    first,
    "Inferences/Second",
    "Client Send",
    "Network+Server Send/Recv",
    "Server Queue",
    "Server Compute Input",
    "Server Compute Infer",
    "Server Compute Output",
    "Client Recv",
    ...PERCENTILES.map((percent) => `p${percent} latency`),
  ];
  const rows = measurements.toSorted((a, b) => a.perSecond - b.perSecond).map(row);
  return `${[header, ...rows].map((cells) => cells.join(",")).join("\n")}\n`;
}

function row({ level, window, perSecond, server }: Measurement): readonly (string | number)[] {
  const latencies = latenciesOf(window.latenciesMs);
  const parts = [server?.queueUs, server?.computeInputUs, server?.computeInferUs, server?.computeOutputUs].map((us) => Math.round(us ?? 0));
  const network = Math.round(latencies.averageMs * 1_000) - parts.reduce((sum, us) => sum + us, 0);
  const percentiles = PERCENTILES.map((percent) => Math.round(latencies.percentileMs(percent) * 1_000));
  return [level.value, perSecond.toFixed(2), 0, Math.max(0, network), ...parts, 0, ...percentiles];
}
