/** The life of one shard on a node: which event leads from which state to which. Pure. */

import type { ShardState } from "../../core/messages/heartbeat.ts";
import type { ShardDescription } from "../../core/model/shard-description.ts";

export type ShardEvent =
  | { readonly kind: "progress"; readonly progress: number }
  | { readonly kind: "cut"; readonly description: ShardDescription }
  | { readonly kind: "opened"; readonly runner: string; readonly address: string; readonly residentBytes: number }
  | { readonly kind: "connected"; readonly epoch: number }
  /** The runner is gone. */
  | { readonly kind: "died"; readonly reason: string }
  | { readonly kind: "respawn" }
  /** It makes no sense to try again: a broken checkpoint, too little memory. */
  | { readonly kind: "gave-up"; readonly reason: string };

export const NEW_SHARD: ShardState = { kind: "cutting", progress: 0 };

/** An event that does not fit the state changes nothing: it belongs to a runner that is gone. */
export function shardState(state: ShardState, event: ShardEvent): ShardState {
  switch (event.kind) {
    case "progress":
      return state.kind === "cutting" ? { kind: "cutting", progress: event.progress } : state;
    case "cut":
      return state.kind === "cutting" ? { kind: "opening" } : state;
    case "opened":
      if (state.kind !== "opening") return state;
      return { kind: "open", runner: event.runner, address: event.address, epoch: 0, residentBytes: event.residentBytes };
    case "connected":
      return state.kind === "open" && event.epoch > state.epoch ? { ...state, epoch: event.epoch } : state;
    case "died":
      return state.kind === "open" || state.kind === "opening" ? { kind: "restarting", reason: event.reason } : state;
    case "respawn":
      return state.kind === "restarting" ? { kind: "opening" } : state;
    case "gave-up":
      return { kind: "failed", reason: event.reason };
  }
}

const RESTART_FIRST_MS = 10;
const RESTART_LAST_MS = 10_000;

/** The pause before a runner is started again, doubling with every death in a row. */
export function restartDelayMs(deathsInARow: number): number {
  return Math.min(RESTART_LAST_MS, RESTART_FIRST_MS * 2 ** Math.max(0, deathsInARow - 1));
}
