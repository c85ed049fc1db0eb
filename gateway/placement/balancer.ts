/** Moves one thing at a time so that nodes are filled alike, once everything has been in its place for a while. Pure but for its memory. */
import type { ModelOnNode, ShardView } from "../control/fleet.ts";
import { chooseMove, type Holdings } from "./choose-move.ts";
import type { DesiredModel, DesiredReplica } from "./desired.ts";
import type { Desired } from "./desired-of.ts";
import { isLeft, type Move } from "./move.ts";
import type { NodeRooms } from "./node-rooms.ts";

/** A cluster that is coming up, or loading, is left in peace. */
export const QUIET_MS = 3_000;
/** What cannot be moved in this time stays. */
const MOVE_MS_MAX = 600_000;
/** After a move that did not succeed. */
const PAUSE_MS = 600_000;

export interface BalancerRound {
  readonly desired: Desired;
  readonly holdings: Holdings;
  readonly rooms: NodeRooms;
  readonly nowMs: number;
}

export class Balancer {
  #move: Move | undefined;
  #sinceMs = 0;
  #quietSinceMs: number | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  /** The move that is under way in this round of placement. */
  next(round: BalancerRound): Move | undefined {
    const { nowMs } = round;
    if (this.#move !== undefined && !this.#isOver(this.#move, round)) return this.#move;
    this.#move = undefined;
    if (!isSettled(round)) {
      this.#quietSinceMs = undefined;
      return undefined;
    }
    this.#quietSinceMs ??= nowMs;
    if (nowMs - this.#quietSinceMs < QUIET_MS || nowMs < this.#notBeforeMs) return undefined;
    this.#move = chooseMove(round.desired, round.holdings, round.rooms);
    this.#sinceMs = nowMs;
    return this.#move;
  }

  #isOver(move: Move, { holdings, rooms, nowMs }: BalancerRound): boolean {
    const all: readonly (ModelOnNode | ShardView)[] = [...holdings.models(), ...holdings.shards()];
    const mine = all.filter((one) => one.replica === move.replica && ("stage" in one ? one.stage : undefined) === move.stage);
    if (!mine.some((one) => isLeft(one, { rooms, move }))) return true;
    const failed = mine.some(({ node, state }) => node === move.to && state.kind === "failed");
    if (!failed && rooms.has(move.to) && nowMs - this.#sinceMs < MOVE_MS_MAX) return false;
    this.#notBeforeMs = nowMs + PAUSE_MS;
    return true;
  }
}

/** Whether all that is wanted is there once, nothing else is, and nothing is on its way. */
function isSettled({ desired, holdings, rooms }: BalancerRound): boolean {
  const models = holdings.models();
  const shards = holdings.shards();
  const isPossible = ({ labels }: DesiredModel | DesiredReplica) => rooms.all(labels).length > 0;
  const stays = ({ node }: ModelOnNode | ShardView) => rooms.has(node);
  const places = new Set([...models.map(({ replica }) => replica), ...shards.map(({ replica, stage }) => `${replica}#${stage}`)]);
  return (
    models.every((one) => stays(one) && (one.state.kind === "ready" || one.state.kind === "failed")) &&
    shards.every((one) => stays(one) && (one.state.kind === "open" || one.state.kind === "failed")) &&
    places.size === models.length + shards.length &&
    models.length === desired.models.filter(isPossible).length &&
    desired.replicas.filter(isPossible).every(({ replica }) => {
      const own = shards.filter((shard) => shard.replica === replica);
      return own.length > 0 && own.length === own[0]?.stages;
    })
  );
}
