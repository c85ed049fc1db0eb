/** Latencies of the last minute, from counts that only grow: what summaries are made of. Pure. */
import type { NodeModelStatistics } from "../../core/messages/model-statistics.ts";
import { binsSince } from "../../core/telemetry/latency-bins.ts";

type Latencies = NodeModelStatistics["latencies"];

/** As Triton's summaries forget. */
const WINDOW_MS = 60_000;
/** Snapshots in a window: scrapes that come faster add none. */
const SNAPSHOTS = 6;

export class RecentLatencies {
  #snapshots: readonly { readonly atMs: number; readonly models: ReadonlyMap<string, NodeModelStatistics> }[] = [];

  /** @param models by `model/version`, now. @returns the same keys */
  recent(models: ReadonlyMap<string, NodeModelStatistics>, nowMs: number): ReadonlyMap<string, Latencies> {
    const oldest = this.#snapshots[0]?.models;
    const recent = new Map([...models].map(([key, { latencies }]) => [key, since(latencies, oldest?.get(key)?.latencies)]));
    const last = this.#snapshots.at(-1);
    if (last === undefined || nowMs - last.atMs >= WINDOW_MS / SNAPSHOTS) this.#snapshots = [...this.#snapshots, { atMs: nowMs, models }];
    // One of at least the window's age stays: it is what the window begins with.
    while (nowMs - (this.#snapshots[1]?.atMs ?? nowMs) >= WINDOW_MS) this.#snapshots = this.#snapshots.slice(1);
    return recent;
  }
}

function since(now: Latencies, before: Latencies | undefined): Latencies {
  if (before === undefined) return now;
  return {
    request: binsSince(now.request, before.request),
    queue: binsSince(now.queue, before.queue),
    computeInput: binsSince(now.computeInput, before.computeInput),
    computeInfer: binsSince(now.computeInfer, before.computeInfer),
    computeOutput: binsSince(now.computeOutput, before.computeOutput),
  };
}
