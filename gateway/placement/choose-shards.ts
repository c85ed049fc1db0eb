/**
 * Which copy of a stage counts where two nodes hold one: a node that was silent for too long comes back when its stages have been
 * given away. Pure.
 */
import type { ShardView } from "../control/fleet.ts";

export interface ShardChoice {
  /** At most one of each stage. */
  readonly kept: readonly ShardView[];
  /** To be unloaded: another copy is open. */
  readonly surplus: readonly ShardView[];
}

/**
 * Of one replica's shards, ordered by node: the copy that was connected last counts, before one that is only open. One that is
 * being left counts until another one is open.
 */
export function chooseShards(shards: readonly ShardView[], isLeft: (shard: ShardView) => boolean = () => false): ShardChoice {
  const rank = (shard: ShardView): number => (shard.state.kind === "open" ? shard.state.epoch + (isLeft(shard) ? 0 : STAYING) : -1);
  const kept = new Map<number, ShardView>();
  for (const shard of shards) {
    const best = kept.get(shard.stage);
    if (best === undefined || rank(shard) > rank(best)) kept.set(shard.stage, shard);
  }
  const surplus = shards.filter((shard) => {
    const best = kept.get(shard.stage);
    if (best === undefined || best === shard || best.state.kind !== "open") return false;
    return !isLeft(best) || isLeft(shard); // else it is about to take the best one's place
  });
  return { kept: [...kept.values()], surplus };
}

/** Above every epoch. */
const STAYING = 2 ** 40;
