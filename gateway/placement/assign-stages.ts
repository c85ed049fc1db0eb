/** Which node hosts which stage of a replica. Pure. */
import { assert } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import type { NodeView, ShardView } from "../control/fleet.ts";
import type { DesiredReplica } from "./desired.ts";

export type Assignment =
  | { readonly kind: "assigned"; readonly nodes: readonly NodeId[] }
  | { readonly kind: "waiting"; readonly reason: string };

/**
 * Stages stay where they are; the others go to the node with the fewest stages of this replica, then the most free memory,
 * then by name. Two stages share a node only when there are fewer nodes than stages.
 */
export function assignStages(desired: DesiredReplica, nodes: readonly NodeView[], shards: readonly ShardView[]): Assignment {
  if (nodes.length < Math.max(1, desired.nodesMin)) {
    return { kind: "waiting", reason: `${nodes.length} of ${desired.nodesMin} nodes are here` };
  }
  const held = new Map(shards.filter((shard) => shard.replica === desired.replica).map((shard) => [shard.stage, shard.node]));
  const load = new Map<NodeId, number>(nodes.map((view) => [view.node, 0]));
  for (const node of held.values()) load.set(node, (load.get(node) ?? 0) + 1);
  const assigned: NodeId[] = [];
  for (let stage = 0; stage < desired.stages; stage++) {
    const node = held.get(stage) ?? emptiest(nodes, load);
    if (!held.has(stage)) load.set(node, (load.get(node) ?? 0) + 1);
    assigned.push(node);
  }
  return { kind: "assigned", nodes: assigned };
}

function emptiest(nodes: readonly NodeView[], load: ReadonlyMap<NodeId, number>): NodeId {
  const [first] = nodes.toSorted(
    (a, b) =>
      (load.get(a.node) ?? 0) - (load.get(b.node) ?? 0) ||
      b.heartbeat.memoryFreeBytes - a.heartbeat.memoryFreeBytes ||
      (a.node < b.node ? -1 : 1),
  );
  assert(first !== undefined, "stages are assigned only where there are nodes");
  return first.node;
}
