/** How much each node can still take, as one round of placement fills them. Pure. */
import type { NodeId } from "../../core/ids.ts";
import { hasLabels, type NodeLabels } from "../../core/node-labels.ts";
import type { NodeView } from "../control/fleet.ts";

/** A runner's own, before any weight. */
const RUNNER_BYTES = 120 * 2 ** 20;
/** Weights packed for the runtime, beside activations and caches that nobody has computed yet. */
const HEADROOM = 1.25;

/** What hosting `bytes` of a model's files is likely to take; 0 where nothing is known. */
export const bytesNeeded = (bytes: number): number => (bytes === 0 ? 0 : RUNNER_BYTES + Math.ceil(bytes * HEADROOM));

export interface NodeRoom {
  readonly node: NodeId;
  readonly freeBytes: number;
  readonly guests: number;
  readonly labels: NodeLabels | undefined;
}

interface Room extends NodeRoom {
  freeBytes: number;
  guests: number;
}

export class NodeRooms {
  readonly #rooms: ReadonlyMap<NodeId, Room>;

  /** Nodes that are being left take nothing, unless there are no others. */
  constructor(nodes: readonly NodeView[]) {
    const staying = nodes.filter(({ leaving }) => !leaving);
    const rooms = (staying.length > 0 ? staying : nodes).map(
      ({ node, heartbeat }): Room => ({ node, freeBytes: heartbeat.memoryFreeBytes, guests: 0, labels: heartbeat.labels }),
    );
    this.#rooms = new Map(rooms.map((room) => [room.node, room]));
  }

  get count(): number {
    return this.#rooms.size;
  }

  /** @param labels that the node must have */
  has(node: NodeId, labels?: NodeLabels): boolean {
    const room = this.#rooms.get(node);
    return room !== undefined && hasLabels(room.labels, labels);
  }

  /** @param labels that each must have */
  all(labels?: NodeLabels): readonly NodeRoom[] {
    return [...this.#rooms.values()].filter((room) => hasLabels(room.labels, labels));
  }

  /** Most free memory first. */
  freeBytes(labels?: NodeLabels): readonly number[] {
    return this.all(labels)
      .map(({ freeBytes }) => freeBytes)
      .toSorted((a, b) => b - a);
  }

  /** What is there counts against a node; what is open already is missing from its free memory. */
  hosts(node: NodeId): void {
    const room = this.#rooms.get(node);
    if (room !== undefined) room.guests += 1;
  }

  /** What has been promised and is not open yet. */
  take(node: NodeId, bytes: number): void {
    this.hosts(node);
    const room = this.#rooms.get(node);
    if (room !== undefined) room.freeBytes -= bytes;
  }

  /**
   * The best node for a guest, of those with the labels: one where it fits; then the one with the least that it should be apart from;
   * then the fewest guests; then the most free memory; then by name. Where it fits nowhere the node itself says so, with figures.
   */
  choose(bytes: number, apartFrom: ReadonlyMap<NodeId, number>, labels?: NodeLabels): NodeId | undefined {
    const misfit = (room: NodeRoom) => (room.freeBytes >= bytes ? 0 : 1);
    const together = (room: NodeRoom) => apartFrom.get(room.node) ?? 0;
    const [best] = this.all(labels).toSorted(
      (a, b) =>
        misfit(a) - misfit(b) ||
        together(a) - together(b) ||
        a.guests - b.guests ||
        b.freeBytes - a.freeBytes ||
        (a.node < b.node ? -1 : 1),
    );
    return best?.node;
  }
}
