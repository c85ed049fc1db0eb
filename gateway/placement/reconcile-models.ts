/** Which node hosts which whole model: from what is wanted and what is there to commands, level-triggered. Pure. */
import type { NodeId, ReplicaId } from "../../core/ids.ts";
import type { NodeLabels } from "../../core/node-labels.ts";
import type { Fleet, ModelOnNode } from "../control/fleet.ts";
import { friendsOf } from "./choose-move.ts";
import type { DesiredModel } from "./desired.ts";
import { isLeft } from "./move.ts";
import { bytesNeeded, NodeRooms } from "./node-rooms.ts";
import { COMMAND_REPEAT_MS, type Command, type PlacementOptions } from "./reconcile.ts";

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
 * A model stays where it is; a new one goes to a node with the labels that it asks for, where it fits, apart from other copies of it, to
 * the one with the fewest guests, then the most free memory, then by name. A node that was taken for dead and speaks again may hold what another one was told to load
 * meanwhile: one copy stays. What is on a node that is being left stays there until another copy is ready.
 */
export function reconcileModels(
  desired: readonly DesiredModel[],
  fleet: Fleet,
  plans: ReadonlyMap<ReplicaId, ModelPlan>,
  nowMs: number,
  options: PlacementOptions = { rooms: occupiedRooms(fleet), isKnown: () => true },
): ModelReconciliation {
  const { rooms, isKnown, move } = options;
  const hosted = fleet.models();
  const labels = new Map<string, NodeLabels | undefined>(desired.map((one) => [one.replica, one.labels]));
  const leaves = (copy: ModelOnNode) => isLeft(copy, options, labels.get(copy.replica));
  const there = copiesThatStay(hosted, leaves);
  const commands: Command[] = [];
  const next = new Map<ReplicaId, ModelPlan>();
  const toPlace: DesiredModel[] = [];
  for (const wanted of desired) {
    const plan = plans.get(wanted.replica);
    if (there.get(wanted.replica)?.some((copy) => !leaves(copy)) === true) continue;
    if (plan === undefined || !rooms.has(plan.node, wanted.labels)) {
      toPlace.push(wanted);
      continue;
    }
    rooms.take(plan.node, bytesNeeded(wanted.bytes));
    const isTold = nowMs - plan.toldAtMs < COMMAND_REPEAT_MS;
    if (!isTold) commands.push({ node: plan.node, control: loadCommand(wanted) });
    next.set(wanted.replica, isTold ? plan : { node: plan.node, toldAtMs: nowMs });
  }
  for (const wanted of toPlace) {
    const need = bytesNeeded(wanted.bytes);
    const isMoved = move?.replica === wanted.replica && rooms.has(move.to, wanted.labels);
    const node = isMoved ? move.to : rooms.choose(need, leanings(wanted, desired, [...hosted, ...told(next, desired)]), wanted.labels);
    if (node === undefined) continue;
    commands.push({ node, control: loadCommand(wanted) });
    next.set(wanted.replica, { node, toldAtMs: nowMs });
    rooms.take(node, need);
  }
  const wanted = new Set<string>(desired.map(({ replica }) => replica));
  for (const copy of hosted) {
    const { node, replica, model, state } = copy;
    const stays = wanted.has(replica) ? there.get(replica)?.includes(copy) === true : !isKnown(model);
    if (!stays && state.kind !== "draining") commands.push({ node, control: { kind: "unload", replica } });
  }
  return { commands, plans: next };
}

/** With a guest for everything that is there. */
export function occupiedRooms(fleet: Fleet): NodeRooms {
  const rooms = new NodeRooms(fleet.nodes());
  for (const { node } of [...fleet.models(), ...fleet.shards()]) rooms.hosts(node);
  return rooms;
}

function loadCommand({ replica, model, version, source, config, members }: DesiredModel): Command["control"] {
  return { kind: "load-model", replica, model, version, source, config, ...(members !== undefined && { members: [...members] }) };
}

interface Placed {
  readonly node: NodeId;
  readonly model: string;
}

function told(plans: ReadonlyMap<ReplicaId, ModelPlan>, desired: readonly DesiredModel[]): readonly Placed[] {
  return desired.flatMap(({ replica, model }) => {
    const plan = plans.get(replica);
    return plan === undefined ? [] : [{ node: plan.node, model }];
  });
}

/**
 * Whom a model would rather be with, by node; the lowest is best. Copies of a model are apart, since a node may die; an ensemble and the
 * models that it calls are together, since tensors that stay on a node cost nothing.
 */
function leanings(wanted: DesiredModel, desired: readonly DesiredModel[], placed: readonly Placed[]): ReadonlyMap<NodeId, number> {
  const friends = friendsOf(wanted, desired);
  const sums = new Map<NodeId, number>();
  for (const { node, model } of placed) {
    const weight = model === wanted.model ? 1 : friends.has(model) ? -1 : 0;
    if (weight !== 0) sums.set(node, (sums.get(node) ?? 0) + weight);
  }
  return sums;
}

/** The lowest stays. */
const STAYS = { ready: 0, loading: 1, failed: 2, draining: 3 } as const satisfies Record<ModelOnNode["state"]["kind"], number>;

/** One of each replica; beside one that is being left also the one that is to take its place. */
function copiesThatStay(
  hosted: readonly ModelOnNode[],
  leaves: (copy: ModelOnNode) => boolean,
): ReadonlyMap<string, readonly ModelOnNode[]> {
  const rank = (copy: ModelOnNode) => STAYS[copy.state.kind] + (leaves(copy) ? 0.5 : 0);
  const copies = new Map<string, readonly ModelOnNode[]>();
  for (const [replica, same = []] of Object.entries(Object.groupBy(hosted, (copy) => copy.replica))) {
    const ranked = same.toSorted((a, b) => rank(a) - rank(b));
    const [best] = ranked;
    const successor = best !== undefined && !leaves(best) ? undefined : ranked.find((copy) => !leaves(copy));
    copies.set(
      replica,
      [best, successor].filter((copy) => copy !== undefined),
    );
  }
  return copies;
}
