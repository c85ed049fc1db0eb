/**
 * From what is wanted and what is there to the commands that bring the two together. Level-triggered: called again and again
 * with fresh heartbeats, it repeats what has not taken effect. Pure.
 */
import type { NodeId, ReplicaId } from "../../core/ids.ts";
import type { Control } from "../../core/messages/control.ts";
import type { Fleet, ShardView } from "../control/fleet.ts";
import { assignStages } from "./assign-stages.ts";
import { chooseShards } from "./choose-shards.ts";
import type { DesiredReplica } from "./desired.ts";

/** A command that has shown no effect is sent again after this long. */
export const COMMAND_REPEAT_MS = 3_000;

/** What placement remembers of a replica between calls. */
export interface ReplicaPlan {
  /** The epoch that the stages were last told to connect in; 0 before the first. */
  readonly epoch: number;
  /** The runners of that epoch, by stage. */
  readonly runners: readonly string[];
  readonly connectedAtMs: number;
  /** When each stage was last told to load, by stage. */
  readonly loadedAtMs: readonly number[];
}

export interface Command {
  readonly node: NodeId;
  readonly control: Control;
}

export interface Reconciliation {
  readonly commands: readonly Command[];
  readonly plans: ReadonlyMap<ReplicaId, ReplicaPlan>;
}

const NEW_PLAN: ReplicaPlan = { epoch: 0, runners: [], connectedAtMs: Number.NEGATIVE_INFINITY, loadedAtMs: [] };

export function reconcile(
  desired: readonly DesiredReplica[],
  fleet: Fleet,
  plans: ReadonlyMap<ReplicaId, ReplicaPlan>,
  nowMs: number,
): Reconciliation {
  const commands: Command[] = [];
  const next = new Map<ReplicaId, ReplicaPlan>();
  for (const replica of desired) {
    next.set(replica.replica, reconcileReplica(replica, fleet, plans.get(replica.replica) ?? NEW_PLAN, nowMs, commands));
  }
  const wanted = new Set<string>(desired.map((replica) => replica.replica));
  for (const shard of fleet.shards()) {
    if (!wanted.has(shard.replica)) commands.push({ node: shard.node, control: { kind: "unload", replica: shard.replica } });
  }
  return { commands, plans: next };
}

function reconcileReplica(desired: DesiredReplica, fleet: Fleet, plan: ReplicaPlan, nowMs: number, commands: Command[]): ReplicaPlan {
  const { kept: shards, surplus } = chooseShards(fleet.shards().filter((shard) => shard.replica === desired.replica));
  for (const { node, stage } of surplus) commands.push({ node, control: { kind: "unload", replica: desired.replica, stage } });
  const assignment = assignStages(desired, fleet.nodes(), shards);
  if (assignment.kind === "waiting") return plan;
  const loadedAtMs = loadMissing(desired, assignment.nodes, shards, plan, nowMs, commands);
  const stages = openStages(desired, shards);
  if (stages === undefined) return { ...plan, loadedAtMs };
  const lead = fleet.replicas().find((report) => report.replica === desired.replica && report.node === stages[0]?.node);
  const runners = stages.map((stage) => stage.runner);
  const sameRunners = plan.runners.length === runners.length && plan.runners.every((runner, stage) => runner === runners[stage]);
  const joined = lead !== undefined && lead.epoch === plan.epoch && sameRunners;
  if (joined || (sameRunners && nowMs - plan.connectedAtMs < COMMAND_REPEAT_MS)) return { ...plan, loadedAtMs };
  const epoch = Math.max(plan.epoch, lead?.epoch ?? 0, ...stages.map((stage) => stage.epoch)) + 1;
  const leadNode = fleet.nodes().find((view) => view.node === stages[0]?.node);
  if (leadNode === undefined) return { ...plan, loadedAtMs };
  const control: Control = {
    kind: "connect",
    replica: desired.replica,
    epoch,
    stages: stages.map(({ runner, address }) => ({ runner, address })),
    lead: leadNode.heartbeat.wire,
  };
  for (const node of new Set(stages.map((stage) => stage.node))) commands.push({ node, control });
  return { epoch, runners, connectedAtMs: nowMs, loadedAtMs };
}

function loadMissing(
  desired: DesiredReplica,
  nodes: readonly NodeId[],
  shards: readonly ShardView[],
  plan: ReplicaPlan,
  nowMs: number,
  commands: Command[],
): readonly number[] {
  return nodes.map((node, stage) => {
    const before = plan.loadedAtMs[stage] ?? Number.NEGATIVE_INFINITY;
    if (shards.some((shard) => shard.stage === stage) || nowMs - before < COMMAND_REPEAT_MS) return before;
    const { replica, model, version, stages, quantization, slots, threads } = desired;
    const contextLength = desired.contextLength ?? 0;
    commands.push({ node, control: { kind: "load", replica, model, version, stage, stages, quantization, slots, contextLength, threads } });
    return nowMs;
  });
}

interface OpenStage {
  readonly node: NodeId;
  readonly runner: string;
  readonly address: string;
  readonly epoch: number;
}

/** All stages, when every one is open. */
function openStages(desired: DesiredReplica, shards: readonly ShardView[]): readonly OpenStage[] | undefined {
  const open: OpenStage[] = [];
  for (let stage = 0; stage < desired.stages; stage++) {
    const shard = shards.find((view) => view.stage === stage);
    if (shard?.state.kind !== "open") return undefined;
    open.push({ node: shard.node, runner: shard.state.runner, address: shard.state.address, epoch: shard.state.epoch });
  }
  return open;
}
