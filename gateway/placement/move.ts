/** A model or a stage that changes its node, though nobody leaves. Pure. */
import type { NodeId, ReplicaId } from "../../core/ids.ts";
import type { NodeLabels } from "../../core/node-labels.ts";
import type { ModelOnNode, ShardView } from "../control/fleet.ts";
import type { NodeRooms } from "./node-rooms.ts";

export interface Move {
  readonly replica: ReplicaId;
  /** undefined: a whole model. */
  readonly stage: number | undefined;
  readonly from: NodeId;
  readonly to: NodeId;
}

type Hosted = Pick<ModelOnNode, "replica" | "node"> & { readonly stage?: ShardView["stage"] };

/** Whether it is to go once another one has taken its place: its node is being left, or has not the labels, or it is moved. */
export function isLeft(
  { replica, node, stage }: Hosted,
  { rooms, move }: { readonly rooms: NodeRooms; readonly move?: Move | undefined },
  labels?: NodeLabels,
): boolean {
  return !rooms.has(node, labels) || (move !== undefined && move.replica === replica && move.from === node && move.stage === stage);
}
