/** Which node hosts which stage of a replica. Pure. */
import type { NodeId } from "../../core/ids.ts";
import type { ShardView } from "../control/fleet.ts";
import type { DesiredReplica } from "./desired.ts";
import { bytesNeeded, type NodeRooms } from "./node-rooms.ts";

export type Assignment =
  /** By stage; undefined: no node may have it. */
  { readonly kind: "assigned"; readonly nodes: readonly (NodeId | undefined)[] } | { readonly kind: "waiting"; readonly reason: string };

/** One whose stages are counted. */
export type PlacedReplica = DesiredReplica & { readonly stages: number };

export interface StagesThere {
  /** All that nodes hold of the replica and that stays there; of two of one stage the first counts. */
  readonly shards: readonly ShardView[];
  /** Where stages of the model's other copies are. */
  readonly copies: readonly NodeId[];
  /** Nodes that were told to load a stage a moment ago, by stage. */
  readonly told: readonly (NodeId | undefined)[];
  /** Where a stage is to go that is being moved. */
  readonly goesTo: (stage: number) => NodeId | undefined;
}

/** Stages of one replica are kept apart first, then those of the model's other copies. */
const SAME_REPLICA = 1_000;

/**
 * Stages stay where they are, unless their node is being left; the others go where they fit, apart from each other, then apart from
 * other copies of the model, and only to nodes with the labels that are asked for. Two stages share a node only when there are fewer
 * such nodes than stages.
 */
export function assignStages(desired: PlacedReplica, rooms: NodeRooms, { shards, copies, told, goesTo }: StagesThere): Assignment {
  if (rooms.count < Math.max(1, desired.nodesMin)) {
    return { kind: "waiting", reason: `${rooms.count} of ${desired.nodesMin} nodes are here` };
  }
  const need = bytesNeeded(desired.bytes / desired.stages);
  const held = new Map<number, NodeId>();
  const apartFrom = new Map<NodeId, number>();
  const count = (node: NodeId, weight: number) => apartFrom.set(node, (apartFrom.get(node) ?? 0) + weight);
  const hold = (stage: number, node: NodeId) => {
    held.set(stage, node);
    count(node, SAME_REPLICA);
  };
  for (const node of copies) count(node, 1);
  for (const { stage, node } of shards) if (!held.has(stage)) hold(stage, node);
  for (const [stage, node] of told.entries()) {
    if (node === undefined || held.has(stage) || !rooms.has(node, desired.labels)) continue;
    hold(stage, node);
    rooms.take(node, need);
  }
  const assigned: (NodeId | undefined)[] = [];
  for (let stage = 0; stage < desired.stages; stage++) {
    const node = held.get(stage) ?? goesTo(stage) ?? rooms.choose(need, apartFrom, desired.labels);
    if (node !== undefined && !held.has(stage)) {
      hold(stage, node);
      rooms.take(node, need);
    }
    assigned.push(node);
  }
  return { kind: "assigned", nodes: assigned };
}
