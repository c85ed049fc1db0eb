/** What a scheduler is made with: the replica's shape and its limits. Pure. */
import { assert } from "../../core/errors.ts";

export interface SchedulerOptions {
  /** Until the first restart. */
  readonly epoch: number;
  readonly stages: number;
  readonly slots: number;
  /** Positions of a slot: prompt and output tokens together. */
  readonly contextLength: number;
  /** Positions that free slots may hold together, so that prompts that begin alike need not run again; 0: none. */
  readonly prefixCacheTokens: number;
  /** Fewest rows of a decode run, at most as many as slots. */
  readonly decodeRowsMin: number;
  /** Sequences that may wait beyond those for which a slot is free. */
  readonly queueMax: number;
  /**
   * Longest time of a chunk on its slowest stage: beside decoding sequences, when nothing decodes, and of a cache that a fault has
   * cost, whose client waits already: each chunk less is a decode run less that it waits for.
   */
  readonly prefillBudgetMs: { readonly besideDecode: number; readonly alone: number; readonly rebuilding: number };
}

/** @throws Error when no decode run would fit. */
export function checkOptions({ slots, stages, decodeRowsMin }: SchedulerOptions): void {
  assert(slots >= 1 && stages >= 1 && decodeRowsMin >= 1 && decodeRowsMin <= slots, "there are slots enough for the smallest decode run");
}
