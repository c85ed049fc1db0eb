/**
 * What should change its node so that nodes are filled alike, once a node has come: copies and stages that share a node move apart, and a
 * node with two guests more than another gives one away. Each move makes things better, so that they come to an end. Pure.
 */
import type { NodeId } from "../../core/ids.ts";
import type { NodeLabels } from "../../core/node-labels.ts";
import type { ModelOnNode, ShardView } from "../control/fleet.ts";
import type { DesiredModel, DesiredReplica } from "./desired.ts";
import type { Desired } from "./desired-of.ts";
import type { Move } from "./move.ts";
import { bytesNeeded, type NodeRooms } from "./node-rooms.ts";

/** What nodes hold. */
export interface Holdings {
  models(): readonly ModelOnNode[];
  shards(): readonly ShardView[];
}

/** A whole model or a stage that could move. */
interface Guest extends Omit<Move, "to"> {
  readonly model: string;
  readonly bytes: number;
  readonly friends: ReadonlySet<string>;
  readonly labels: NodeLabels | undefined;
}

/** @param rooms with everything that is there @returns undefined: all is well */
export function chooseMove(desired: Desired, holdings: Holdings, rooms: NodeRooms): Move | undefined {
  const guests = [...wholeGuests(desired.models, holdings.models()), ...stageGuests(desired.replicas, holdings.shards())];
  return apart(guests, rooms) ?? level(guests, rooms);
}

/** Of two of one model on a node the later one moves where there is none; a node that dies takes only one along. */
function apart(guests: readonly Guest[], rooms: NodeRooms): Move | undefined {
  for (const [index, guest] of guests.entries()) {
    const sharesNode = guests.slice(0, index).some(({ model, from }) => model === guest.model && from === guest.from);
    const to = sharesNode ? leastFull(rooms, guest, nodesOf(guest.model, guests)) : undefined;
    if (to !== undefined) return moveOf(guest, to);
  }
  return undefined;
}

/** Only whole models, which move at little cost, and none from its ensemble. */
function level(guests: readonly Guest[], rooms: NodeRooms): Move | undefined {
  const counts = new Map(rooms.all().map((room) => [room.node, room.guests]));
  const count = (node: NodeId) => counts.get(node) ?? 0;
  const movable = guests
    .filter((guest) => guest.stage === undefined && !guests.some((one) => one.from === guest.from && guest.friends.has(one.model)))
    .toSorted((a, b) => count(b.from) - count(a.from));
  for (const guest of movable) {
    const to = leastFull(rooms, guest, nodesOf(guest.model, guests));
    if (to !== undefined && count(to) + 2 <= count(guest.from)) return moveOf(guest, to);
  }
  return undefined;
}

const moveOf = ({ replica, stage, from }: Guest, to: NodeId): Move => ({ replica, stage, from, to });

const nodesOf = (name: string, guests: readonly Guest[]): ReadonlySet<NodeId> =>
  new Set(guests.flatMap(({ model, from }) => (model === name ? [from] : [])));

/** The node with the fewest guests, then the most free memory, of those where it fits and nothing of its model is. */
function leastFull(rooms: NodeRooms, { bytes, labels }: Guest, taken: ReadonlySet<NodeId>): NodeId | undefined {
  return rooms
    .all(labels)
    .filter(({ node, freeBytes }) => !taken.has(node) && freeBytes >= bytes)
    .toSorted((a, b) => a.guests - b.guests || b.freeBytes - a.freeBytes || (a.node < b.node ? -1 : 1))[0]?.node;
}

function wholeGuests(desired: readonly DesiredModel[], hosted: readonly ModelOnNode[]): readonly Guest[] {
  return hosted.flatMap(({ replica, node, pinned }) => {
    const wanted = desired.find((one) => one.replica === replica);
    if (wanted === undefined || pinned === true) return [];
    const { model, bytes, labels } = wanted;
    const friends = friendsOf(wanted, desired);
    return [{ replica: wanted.replica, stage: undefined, from: node, model, bytes: bytesNeeded(bytes), friends, labels }];
  });
}

function stageGuests(desired: readonly DesiredReplica[], shards: readonly ShardView[]): readonly Guest[] {
  return shards.flatMap(({ replica, node, stage, stages }) => {
    const wanted = desired.find((one) => one.replica === replica);
    if (wanted === undefined) return [];
    const { model, bytes, labels } = wanted;
    return [{ replica: wanted.replica, stage, from: node, model, bytes: bytesNeeded(bytes / stages), friends: NOBODY, labels }];
  });
}

const NOBODY: ReadonlySet<string> = new Set();

/** What takes part in an ensemble with the model, itself excepted. */
export function friendsOf({ model, members = [] }: DesiredModel, desired: readonly DesiredModel[]): ReadonlySet<string> {
  const friends = new Set<string>(members.map((member) => member.model));
  for (const ensemble of desired) {
    if (ensemble.members?.some((member) => member.model === model) !== true) continue;
    friends.add(ensemble.model);
    for (const member of ensemble.members) friends.add(member.model);
  }
  friends.delete(model);
  return friends;
}
