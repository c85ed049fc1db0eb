/** Nodes with so much memory that do what they are told: placement of whole models and stages, round after round. */
import { modelName, type NodeId, nodeId, type ReplicaId, replicaId } from "../../../../core/ids.ts";
import type { Control } from "../../../../core/messages/control.ts";
import type { Heartbeat, ModelReport, ReplicaReport, ShardReport } from "../../../../core/messages/heartbeat.ts";
import type { NodeLabels } from "../../../../core/node-labels.ts";
import { Fleet } from "../../../../gateway/control/fleet.ts";
import { Balancer } from "../../../../gateway/placement/balancer.ts";
import type { DesiredModel, DesiredReplica } from "../../../../gateway/placement/desired.ts";
import { bytesNeeded } from "../../../../gateway/placement/node-rooms.ts";
import { COMMAND_REPEAT_MS, type Command, type ReplicaPlan, reconcile } from "../../../../gateway/placement/reconcile.ts";
import { type ModelPlan, occupiedRooms, reconcileModels } from "../../../../gateway/placement/reconcile-models.ts";

export const GiB = 2 ** 30;

export function whole(name: string, bytes: number, copy = 0): DesiredModel {
  const model = modelName(name);
  return { replica: replicaId(model, "1", 1, copy), model, version: "1", source: "", config: "", bytes };
}

export function language(
  name: string,
  options: { readonly stages: number | "auto"; readonly bytes: number; readonly copy?: number },
): DesiredReplica {
  const model = modelName(name);
  const { stages, bytes, copy = 0 } = options;
  const shape = { quantization: "auto", slots: 1, contextLength: undefined, threads: 1, nodesMin: 1 } as const;
  return { replica: replicaId(model, "1", 1, copy), model, version: "1", stages, bytes, ...shape };
}

interface Guest {
  readonly node: NodeId;
  readonly bytes: number;
}
type ModelGuest = Guest & { readonly report: ModelReport };
type ShardGuest = Guest & { readonly report: ShardReport };

export class PackingWorld {
  readonly fleet = new Fleet();
  readonly draining = new Set<NodeId>();
  /** Of nodes; those without an entry have none. */
  readonly labels = new Map<NodeId, NodeLabels>();
  /** Replicas with sequences that no store has. */
  readonly pinned = new Set<string>();
  /** Nodes on which nothing can be loaded. */
  readonly broken = new Set<NodeId>();
  models: readonly DesiredModel[] = [];
  replicas: readonly DesiredReplica[] = [];
  readonly #memory = new Map<NodeId, number>();
  #modelGuests: readonly ModelGuest[] = [];
  #shardGuests: readonly ShardGuest[] = [];
  #leads: readonly { readonly node: NodeId; readonly report: ReplicaReport }[] = [];
  #plans: ReadonlyMap<ReplicaId, ReplicaPlan> = new Map();
  #modelPlans: ReadonlyMap<ReplicaId, ModelPlan> = new Map();
  #nowMs = 0;
  #sequence = 0;
  #runners = 0;

  readonly #balancer: Balancer | undefined;

  /** @param memory bytes of each node */
  constructor(memory: readonly number[], { balanced = false }: { readonly balanced?: boolean } = {}) {
    this.#balancer = balanced ? new Balancer() : undefined;
    for (const bytes of memory) this.join(bytes);
  }

  join(bytes: number): NodeId {
    const node = nodeId(`n${this.#memory.size + 1}`);
    this.#memory.set(node, bytes);
    return node;
  }

  /** The node is dead, with all that was there. */
  lose(node: NodeId): void {
    this.#memory.delete(node);
    this.fleet.forget(node);
    const elsewhere = <G extends { readonly node: NodeId }>(guests: readonly G[]) => guests.filter((guest) => guest.node !== node);
    this.#modelGuests = elsewhere(this.#modelGuests);
    this.#shardGuests = elsewhere(this.#shardGuests);
    this.#leads = elsewhere(this.#leads);
  }

  get nodes(): readonly NodeId[] {
    return [...this.#memory.keys()];
  }

  free(node: NodeId): number {
    const guests = [...this.#modelGuests, ...this.#shardGuests].filter((guest) => guest.node === node);
    return guests.reduce((left, { bytes }) => left - bytes, this.#memory.get(node) ?? 0);
  }

  /** `model@node`, or `model.stage@node`, sorted. */
  where(): readonly string[] {
    const models = this.#modelGuests.map(({ node, report }) => `${report.model}@${node}`);
    return [...models, ...this.#shardGuests.map(({ node, report }) => `${report.model}.${report.stage}@${node}`)].toSorted();
  }

  /** Replicas of whole models that are ready somewhere. */
  serving(): ReadonlySet<string> {
    return new Set(this.#modelGuests.filter(({ report }) => report.state.kind === "ready").map(({ report }) => report.replica));
  }

  /** A round: nodes speak, placement decides, nodes obey; what was loading is ready in the next. @returns what was told */
  round(): readonly Command[] {
    this.#nowMs += COMMAND_REPEAT_MS / 2;
    for (const node of this.#memory.keys()) this.fleet.hear(this.#heartbeat(node), this.#nowMs);
    const rooms = occupiedRooms(this.fleet);
    const move = this.#balancer?.next({ desired: this, holdings: this.fleet, rooms, nowMs: this.#nowMs });
    const options = { rooms, isKnown: () => true, move };
    const stages = reconcile(this.replicas, this.fleet, this.#plans, this.#nowMs, options);
    const models = reconcileModels(this.models, this.fleet, this.#modelPlans, this.#nowMs, options);
    [this.#plans, this.#modelPlans] = [stages.plans, models.plans];
    this.#modelGuests = this.#modelGuests.flatMap((guest) => settled(guest, this.broken.has(guest.node)));
    const commands = [...stages.commands, ...models.commands];
    for (const { node, control } of commands) this.#obey(node, control);
    return commands;
  }

  /** Rounds until nothing is told any more. @returns how many commands there were */
  settle(rounds = 12): number {
    let told = 0;
    for (let round = 0; round < rounds; round++) told += this.round().length;
    return told;
  }

  #obey(node: NodeId, control: Control): void {
    if (control.kind === "load-model") {
      const { replica, model, version } = control;
      const bytes = bytesNeeded(this.models.find((one) => one.replica === replica)?.bytes ?? 0);
      const pinned = this.pinned.has(replica);
      const report: ModelReport = { replica, model, version, state: { kind: "loading" }, inFlight: 0, queued: 0, pinned };
      this.#modelGuests = [...this.#modelGuests, { node, bytes, report }];
    } else if (control.kind === "load") this.#host(node, control);
    else if (control.kind === "connect") this.#connect(node, control);
    else this.#leave(node, control);
  }

  #leave(node: NodeId, { replica, stage }: Control & { kind: "unload" }): void {
    const isMeant = (guest: Guest & { readonly report: { readonly replica: string } }) =>
      guest.node === node && guest.report.replica === replica;
    this.#modelGuests = this.#modelGuests.map((guest) =>
      isMeant(guest) ? { ...guest, report: { ...guest.report, state: { kind: "draining" } } } : guest,
    );
    this.#shardGuests = this.#shardGuests.filter((guest) => !(isMeant(guest) && (stage === undefined || guest.report.stage === stage)));
    this.#leads = this.#leads.filter((lead) => !(lead.node === node && lead.report.replica === replica));
  }

  #host(node: NodeId, { replica, model, version, stage, stages }: Control & { kind: "load" }): void {
    const bytes = bytesNeeded((this.replicas.find((one) => one.replica === replica)?.bytes ?? 0) / stages);
    this.#runners += 1;
    const state = { kind: "open", runner: `r${this.#runners}`, address: `unix:/${this.#runners}`, epoch: 0, residentBytes: bytes } as const;
    const report = { replica, model, version, stage, stages, firstLayer: 0, endLayer: 1, quantization: "native", state };
    this.#shardGuests = [...this.#shardGuests, { node, bytes, report }];
  }

  #connect(node: NodeId, { replica, epoch, stages }: Control & { kind: "connect" }): void {
    this.#shardGuests = this.#shardGuests.map((guest) => {
      const { report } = guest;
      if (guest.node !== node || report.state.kind !== "open" || stages[report.stage]?.runner !== report.state.runner) return guest;
      return { ...guest, report: { ...report, state: { ...report.state, epoch } } };
    });
    const first = this.#shardGuests.find((guest) => guest.node === node && guest.report.replica === replica && guest.report.stage === 0);
    if (first === undefined) return;
    const { model, version } = first.report;
    const lead = { ready: true, slots: 1, busySlots: 0, queued: 0, contextLength: 8, textDigest: "" };
    const others = this.#leads.filter(({ report }) => report.replica !== replica);
    this.#leads = [...others, { node, report: { replica, model, version, epoch, ...lead } }];
  }

  #heartbeat(node: NodeId): Heartbeat {
    this.#sequence += 1;
    const mine = <Report>(guests: readonly { readonly node: NodeId; readonly report: Report }[]) =>
      guests.flatMap((guest) => (guest.node === node ? [guest.report] : []));
    return {
      node,
      incarnation: "1",
      sequence: this.#sequence,
      link: "l",
      wire: `w${node}`,
      cpu: "c",
      labels: this.labels.get(node) ?? {},
      draining: this.draining.has(node),
      memoryTotalBytes: this.#memory.get(node) ?? 0,
      memoryFreeBytes: this.free(node),
      shards: mine(this.#shardGuests),
      replicas: mine(this.#leads),
      models: mine(this.#modelGuests),
    };
  }
}

/** After a round what was loading is ready, and what was draining is gone. */
function settled(guest: ModelGuest, broken: boolean): readonly ModelGuest[] {
  if (guest.report.state.kind === "draining") return [];
  if (guest.report.state.kind !== "loading") return [guest];
  const state = broken ? ({ kind: "failed", reason: "broken" } as const) : ({ kind: "ready", view: "v" } as const);
  return [{ ...guest, report: { ...guest.report, state } }];
}
