/** Which node hosts which whole model: from what is wanted and what is there to commands, level-triggered. Pure. */
import type { NodeId, ReplicaId } from "../../core/ids.ts";
import type { Control } from "../../core/messages/control.ts";
import type { Fleet, ModelOnNode } from "../control/fleet.ts";
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

/**
 * A model stays where it is; a new one goes to the node with the fewest models, then the most free memory, then by name. A node
 * that was taken for dead and speaks again may hold what another one was told to load meanwhile: one copy stays.
 */
export function reconcileModels(
  desired: readonly DesiredModel[],
  fleet: Fleet,
  plans: ReadonlyMap<ReplicaId, ModelPlan>,
  nowMs: number,
): ModelReconciliation {
  const hosted = fleet.models();
  const there = copiesThatStay(hosted);
  const commands: Command[] = [];
  const next = new Map<ReplicaId, ModelPlan>();
  const load = new Map<NodeId, number>(fleet.nodes().map(({ node }) => [node, 0]));
  const count = (node: NodeId) => load.set(node, (load.get(node) ?? 0) + 1);
  for (const { node } of hosted) count(node);
  for (const { replica, model, version, source, config, members } of desired) {
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
    const control: Control = {
      kind: "load-model",
      replica,
      model,
      version,
      source,
      config,
      ...(members !== undefined && { members: [...members] }),
    };
    commands.push({ node, control });
    next.set(replica, { node, toldAtMs: nowMs });
    count(node);
  }
  const wanted = new Set<string>(desired.map(({ replica }) => replica));
  for (const copy of hosted) {
    const { node, replica, state } = copy;
    const stays = wanted.has(replica) && there.get(replica) === copy;
    if (!stays && state.kind !== "draining") commands.push({ node, control: { kind: "unload", replica } });
  }
  return { commands, plans: next };
}

/** The lowest stays. */
const STAYS = { ready: 0, loading: 1, failed: 2, draining: 3 } as const satisfies Record<ModelOnNode["state"]["kind"], number>;

function copiesThatStay(hosted: readonly ModelOnNode[]): ReadonlyMap<string, ModelOnNode> {
  const copies = new Map<string, ModelOnNode>();
  for (const copy of hosted) {
    const other = copies.get(copy.replica);
    if (other === undefined || STAYS[copy.state.kind] < STAYS[other.state.kind]) copies.set(copy.replica, copy);
  }
  return copies;
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
