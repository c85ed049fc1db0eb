/** Which node hosts which whole model: from what is wanted and what is there to commands, level-triggered. Pure. */
import type { NodeId, ReplicaId } from "../../core/ids.ts";
import type { Fleet } from "../control/fleet.ts";
import type { DesiredModel } from "./desired.ts";
import { COMMAND_REPEAT_MS, type Command } from "./reconcile.ts";

/** Where a model was last told to load. */
export interface ModelPlan {
  readonly node: NodeId;
  readonly toldAtMs: number;
}

export interface ModelReconciliation {
  readonly commands: readonly Command[];
  readonly plans: ReadonlyMap<ReplicaId, ModelPlan>;
}

/** A model stays where it is; a new one goes to the node with the fewest models, then the most free memory, then by name. */
export function reconcileModels(
  desired: readonly DesiredModel[],
  fleet: Fleet,
  plans: ReadonlyMap<ReplicaId, ModelPlan>,
  nowMs: number,
): ModelReconciliation {
  const hosted = fleet.models();
  const there = new Set<string>(hosted.map(({ replica }) => replica));
  const commands: Command[] = [];
  const next = new Map<ReplicaId, ModelPlan>();
  const load = new Map<NodeId, number>(fleet.nodes().map(({ node }) => [node, 0]));
  const count = (node: NodeId) => load.set(node, (load.get(node) ?? 0) + 1);
  for (const { node } of hosted) count(node);
  for (const { replica, model, version, source, config } of desired) {
    const plan = plans.get(replica);
    if (there.has(replica)) continue;
    const kept = plan !== undefined && load.has(plan.node) ? plan : undefined;
    if (kept !== undefined && nowMs - kept.toldAtMs < COMMAND_REPEAT_MS) {
      next.set(replica, kept);
      count(kept.node);
      continue;
    }
    const node = kept?.node ?? emptiest(fleet, load);
    if (node === undefined) continue;
    commands.push({ node, control: { kind: "load-model", replica, model, version, source, config } });
    next.set(replica, { node, toldAtMs: nowMs });
    count(node);
  }
  const wanted = new Set<string>(desired.map(({ replica }) => replica));
  for (const { node, replica, state } of hosted) {
    if (!wanted.has(replica) && state.kind !== "draining") commands.push({ node, control: { kind: "unload", replica } });
  }
  return { commands, plans: next };
}

function emptiest(fleet: Fleet, load: ReadonlyMap<NodeId, number>): NodeId | undefined {
  const [first] = fleet
    .nodes()
    .toSorted(
      (a, b) =>
        (load.get(a.node) ?? 0) - (load.get(b.node) ?? 0) ||
        b.heartbeat.memoryFreeBytes - a.heartbeat.memoryFreeBytes ||
        (a.node < b.node ? -1 : 1),
    );
  return first?.node;
}
