/** The models of this cluster as this gateway sees them: what is wanted, folded with what agents report. Pure but for its memory. */
import type { NodeView, ReplicaView, ShardView } from "../../control/fleet.ts";
import type { DesiredReplica } from "../../placement/desired.ts";
import { missingLabels } from "../../placement/missing-labels.ts";
import type { ModelDirectory, ModelReadiness, ServedModel } from "./text-generation.ts";

export interface ModelDirectoryDeps {
  readonly fleet: {
    readonly revision: number;
    nodes(): readonly NodeView[];
    shards(): readonly ShardView[];
    replicas(): readonly ReplicaView[];
  };
  readonly desired: () => readonly DesiredReplica[];
  /** Unix milliseconds. */
  readonly wallClockMs: () => number;
}

/** Models and versions remembered for their first sight; far more than a cluster has. */
const REMEMBERED_MAX = 10_000;

export class FleetModelDirectory implements ModelDirectory {
  readonly #deps: ModelDirectoryDeps;
  /** When each model version was first seen, Unix seconds. */
  readonly #created = new Map<string, number>();

  /** Every request asks; it is made anew when the fleet or what is wanted has changed. */
  #made: { readonly revision: number; readonly desired: readonly DesiredReplica[]; readonly list: readonly ServedModel[] } | undefined;

  constructor(deps: ModelDirectoryDeps) {
    this.#deps = deps;
  }

  /** By name, then version. */
  list(): readonly ServedModel[] {
    const { revision } = this.#deps.fleet;
    const desired = this.#deps.desired();
    if (this.#made?.revision !== revision || this.#made.desired !== desired) this.#made = { revision, desired, list: this.#make(desired) };
    return this.#made.list;
  }

  #make(desired: readonly DesiredReplica[]): readonly ServedModel[] {
    const shards = this.#deps.fleet.shards();
    const replicas = this.#deps.fleet.replicas();
    const nodes = this.#deps.fleet.nodes();
    const versions = new Map([...desired, ...shards, ...replicas].map(({ model, version }) => [`${model}/${version}`, { model, version }]));
    return [...versions.entries()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { model, version }]) => {
        const isMine = (one: { readonly model: string; readonly version: string }) => one.model === model && one.version === version;
        const mine = { desired: desired.filter(isMine), shards: shards.filter(isMine), replicas: replicas.filter(isMine), nodes };
        return servedModel({ name: model, version, createdSeconds: this.#createdSeconds(key) }, mine);
      });
  }

  #createdSeconds(key: string): number {
    const known = this.#created.get(key);
    if (known !== undefined) return known;
    const nowSeconds = Math.floor(this.#deps.wallClockMs() / 1000);
    if (this.#created.size < REMEMBERED_MAX) this.#created.set(key, nowSeconds);
    return nowSeconds;
  }
}

interface Sources {
  readonly desired: readonly DesiredReplica[];
  readonly shards: readonly ShardView[];
  readonly replicas: readonly ReplicaView[];
  readonly nodes: readonly NodeView[];
}

function servedModel(
  head: Pick<ServedModel, "name" | "version" | "createdSeconds">,
  { desired, shards, replicas, nodes }: Sources,
): ServedModel {
  const ready = replicas.filter((replica) => replica.ready);
  return {
    ...head,
    readiness: readinessOf(shards, {
      ready: ready.length > 0,
      led: replicas.length > 0,
      missing: missingLabels(desired[0]?.labels, nodes),
    }),
    contextLength: (ready[0] ?? replicas[0])?.contextLength ?? desired[0]?.contextLength,
    ...(ready.length > 0 && { slots: { busy: sum(ready.map(({ busySlots }) => busySlots)), all: sum(ready.map(({ slots }) => slots)) } }),
    quantization: shards[0]?.quantization ?? desired[0]?.quantization ?? "native",
    shards: shards
      .toSorted((a, b) => a.stage - b.stage)
      .map(({ node, stage, stages, firstLayer, endLayer, state }) => ({ node, stage, stages, firstLayer, endLayer, state: state.kind })),
  };
}

const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);

function readinessOf(
  shards: readonly ShardView[],
  replica: { readonly ready: boolean; readonly led: boolean; readonly missing: string | undefined },
): ModelReadiness {
  if (replica.ready) return { kind: "ready" };
  const failed = shards.map(({ state }) => state).find((state) => state.kind === "failed");
  if (failed !== undefined) return { kind: "failed", reason: failed.reason };
  if (shards.length === 0) return { kind: "loading", detail: replica.missing ?? "waiting for nodes" };
  const stages = shards.toSorted((a, b) => a.stage - b.stage).map(stageDetail);
  return { kind: "loading", detail: [...stages, ...(replica.led ? ["warming up"] : [])].join("; ") };
}

function stageDetail({ stage, stages, node, state }: ShardView): string {
  const where = `stage ${stage + 1} of ${stages} on ${node}`;
  switch (state.kind) {
    case "cutting":
      return `${where}: cutting ${Math.round(state.progress * 100)} %`;
    case "opening":
      return `${where}: opening`;
    case "open":
      return `${where}: open`;
    case "restarting":
      return `${where}: restarting after: ${state.reason}`;
    case "failed":
      return `${where}: failed: ${state.reason}`;
  }
}
