/**
 * From what is wanted and what is there to the commands that bring the two together. Level-triggered: called again and again
 * with fresh heartbeats, it repeats what has not taken effect. Pure.
 */
import { type NodeId, type ReplicaId, replicaNumber } from "../../core/ids.ts";
import type { Control } from "../../core/messages/control.ts";
import type { Fleet, ShardView } from "../control/fleet.ts";
import { assignStages, type PlacedReplica } from "./assign-stages.ts";
import { chooseShards } from "./choose-shards.ts";
import type { DesiredReplica } from "./desired.ts";
import type { Move } from "./move.ts";
import { isLeft } from "./move.ts";
import { NodeRooms } from "./node-rooms.ts";
import { stageCount } from "./stage-count.ts";

/** A command that has shown no effect is sent again after this long. */
export const COMMAND_REPEAT_MS = 3_000;

/** Where a stage was last told to load. */
interface ToldLoad {
  readonly node: NodeId;
  readonly atMs: number;
}

/** What placement remembers of a replica between calls. */
export interface ReplicaPlan {
  /** The epoch that the stages were last told to connect in; 0 before the first. */
  readonly epoch: number;
  /** The runners of that epoch, by stage. */
  readonly runners: readonly string[];
  /** Of a command that has not taken effect yet: stages that come apart later are told at once. */
  readonly connectedAtMs: number;
  /** By stage. */
  readonly loads: readonly (ToldLoad | undefined)[];
}

export interface Command {
  readonly node: NodeId;
  readonly control: Control;
}

export interface Reconciliation {
  readonly commands: readonly Command[];
  readonly plans: ReadonlyMap<ReplicaId, ReplicaPlan>;
}

export interface PlacementOptions {
  /** How full the nodes are; both kinds of models fill the same. */
  readonly rooms: NodeRooms;
  /** What nobody has ever wanted is left alone: the store may have been emptied. */
  readonly isKnown: (model: string) => boolean;
  /** What changes its node, so that nodes are filled alike; undefined: all stays where it is. */
  readonly move?: Move | undefined;
}

const NEW_PLAN: ReplicaPlan = { epoch: 0, runners: [], connectedAtMs: Number.NEGATIVE_INFINITY, loads: [] };

export function reconcile(
  desired: readonly DesiredReplica[],
  fleet: Fleet,
  plans: ReadonlyMap<ReplicaId, ReplicaPlan>,
  nowMs: number,
  options: PlacementOptions = { rooms: new NodeRooms(fleet.nodes()), isKnown: () => true },
): Reconciliation {
  const commands: Command[] = [];
  const next = new Map<ReplicaId, ReplicaPlan>();
  const round: Round = { fleet, nowMs, ...options, commands, placed: new Map() };
  for (const replica of desired) {
    next.set(replica.replica, reconcileReplica(replica, plans.get(replica.replica) ?? NEW_PLAN, round));
  }
  const wanted = new Set<string>(desired.map((replica) => replica.replica));
  for (const { node, replica, model } of fleet.shards()) {
    if (wanted.has(replica) || !options.isKnown(model)) continue;
    // A copy too many: what it generates goes on in another of the same load.
    const handsOver = fleet.replicas().some((other) => other.ready && wanted.has(other.replica) && sameLoad(other.replica, replica));
    commands.push({ node, control: { kind: "unload", replica, ...(handsOver && { handsOver }) } });
  }
  return { commands, plans: next };
}

const sameLoad = (one: string, other: string): boolean =>
  replicaNumber(one) === replicaNumber(other) && one.slice(0, one.lastIndexOf("/")) === other.slice(0, other.lastIndexOf("/"));

interface Round extends PlacementOptions {
  readonly fleet: Fleet;
  readonly nowMs: number;
  readonly commands: Command[];
  /** Where the replicas are that have had their turn, by replica. */
  readonly placed: Map<ReplicaId, readonly NodeId[]>;
}

function reconcileReplica(desired: DesiredReplica, plan: ReplicaPlan, round: Round): ReplicaPlan {
  const { fleet, nowMs, rooms, commands, placed: done } = round;
  const all = fleet.shards().filter((shard) => shard.replica === desired.replica);
  const leaves = (shard: ShardView) => isLeft(shard, round, desired.labels);
  const { kept: shards, surplus } = chooseShards(all, leaves);
  // What is being left serves until the others do.
  const handedOver = isJoined(desired, shards, fleet);
  for (const shard of surplus) {
    const { node, stage } = shard;
    if (handedOver || !leaves(shard))
      commands.push({ node, control: { kind: "unload", replica: desired.replica, stage, ...(handedOver && { handsOver: true }) } });
  }
  const recent = plan.loads.map((told) => (told !== undefined && nowMs - told.atMs < COMMAND_REPEAT_MS ? told : undefined));
  const stages = stagesOf(desired, all, recent.length, rooms);
  const there = {
    shards: [...shards, ...all].filter((shard) => !leaves(shard)),
    copies: copiesOf(desired, round),
    told: recent.map((told) => told?.node),
    goesTo: (stage: number) => movesTo(desired, stage, round),
  };
  const assignment = assignStages({ ...desired, stages }, rooms, there);
  if (assignment.kind === "waiting") return plan;
  done.set(
    desired.replica,
    assignment.nodes.filter((node) => node !== undefined),
  );
  const placed: PlacedReplica = { ...desired, stages };
  const loads = assignment.nodes.map((node, stage) => {
    const told = recent[stage];
    if (told !== undefined || node === undefined || there.shards.some((shard) => shard.stage === stage)) return told;
    commands.push({ node, control: loadCommand(placed, stage) });
    return { node, atMs: nowMs };
  });
  // How many stages there are is open until a node may have one.
  const isPossible = assignment.nodes.some((node) => node !== undefined);
  return { ...connectStages(placed, shards, plan, round), ...(isPossible && { loads }) };
}

function movesTo({ replica, labels }: DesiredReplica, stage: number, { move, rooms }: Round): NodeId | undefined {
  return move?.replica === replica && move.stage === stage && rooms.has(move.to, labels) ? move.to : undefined;
}

/** Where stages of the model's other copies are, or will be. */
function copiesOf({ replica, model }: DesiredReplica, { fleet, placed }: Round): readonly NodeId[] {
  const others = fleet.shards().filter((shard) => shard.model === model && shard.replica !== replica);
  const waiting = others.filter((shard) => ![...placed.keys()].some((one) => one === shard.replica)).map(({ node }) => node);
  const prefix = `${model}/`;
  return [...waiting, ...[...placed].flatMap(([one, nodes]) => (one.startsWith(prefix) ? nodes : []))];
}

/** A replica that is there keeps its stages; one that was told to load a moment ago, too. */
function stagesOf(desired: DesiredReplica, shards: readonly ShardView[], told: number, rooms: NodeRooms): number {
  if (desired.stages !== "auto") return desired.stages;
  return shards[0]?.stages ?? (told > 0 ? told : stageCount(desired.bytes, rooms.freeBytes(desired.labels)));
}

function loadCommand(placed: PlacedReplica, stage: number): Control {
  const { replica, model, version, stages, quantization, slots, contextLength = 0, threads, prefixCacheTokens, journal } = placed;
  return {
    kind: "load",
    replica,
    model,
    version,
    stage,
    stages,
    quantization,
    slots,
    contextLength,
    threads,
    ...(prefixCacheTokens !== undefined && { prefixCacheTokens }),
    ...(journal !== undefined && { journal }),
  };
}

/** Whether a token has passed through exactly these stages. */
function isJoined({ replica }: DesiredReplica, shards: readonly ShardView[], fleet: Fleet): boolean {
  const first = shards.find(({ stage }) => stage === 0);
  const lead = fleet.replicas().find((report) => report.replica === replica && report.node === first?.node);
  return lead?.ready === true && shards.every(({ state }) => state.kind === "open" && state.epoch === lead.epoch);
}

/** Connects the stages once all are open, and again when a runner is another one or the lead has not joined. */
function connectStages(
  desired: PlacedReplica,
  shards: readonly ShardView[],
  plan: ReplicaPlan,
  { fleet, nowMs, commands }: Round,
): ReplicaPlan {
  const stages = openStages(desired, shards);
  if (stages === undefined) return plan;
  const lead = fleet.replicas().find((report) => report.replica === desired.replica && report.node === stages[0]?.node);
  const runners = stages.map((stage) => stage.runner);
  const sameRunners = plan.runners.length === runners.length && plan.runners.every((runner, stage) => runner === runners[stage]);
  // By their own word alone: whoever takes placement over finds them as they are, and what runs there goes on.
  const joined = lead !== undefined && lead.epoch > 0 && stages.every(({ epoch }) => epoch === lead.epoch);
  if (joined) return { ...plan, connectedAtMs: Number.NEGATIVE_INFINITY };
  if (sameRunners && nowMs - plan.connectedAtMs < COMMAND_REPEAT_MS) return plan;
  const epoch = Math.max(plan.epoch, lead?.epoch ?? 0, ...stages.map((stage) => stage.epoch)) + 1;
  const leadNode = fleet.nodes().find((view) => view.node === stages[0]?.node);
  if (leadNode === undefined) return plan;
  const control: Control = {
    kind: "connect",
    replica: desired.replica,
    epoch,
    stages: stages.map(({ runner, address }) => ({ runner, address })),
    lead: leadNode.heartbeat.wire,
  };
  for (const node of new Set(stages.map((stage) => stage.node))) commands.push({ node, control });
  return { ...plan, epoch, runners, connectedAtMs: nowMs };
}

interface OpenStage {
  readonly node: NodeId;
  readonly runner: string;
  readonly address: string;
  readonly epoch: number;
}

/** All stages, when every one is open. */
function openStages(desired: PlacedReplica, shards: readonly ShardView[]): readonly OpenStage[] | undefined {
  const open: OpenStage[] = [];
  for (let stage = 0; stage < desired.stages; stage++) {
    const shard = shards.find((view) => view.stage === stage);
    if (shard?.state.kind !== "open") return undefined;
    open.push({ node: shard.node, runner: shard.state.runner, address: shard.state.address, epoch: shard.state.epoch });
  }
  return open;
}
