/**
 * What a prompt need not run, because a slot holds its beginning: that of a sibling, of another sequence, or one that a sequence
 * has left. A run of two or more tokens gives the same bits wherever the prompt is cut, and output tokens, which decode runs have
 * written, are never shared; so this equals a prefill of its own. Nothing is shared between tenants: time would tell them of each
 * other's prompts. Pure.
 */
import { RUN_TOKENS_MIN } from "./prefill-run.ts";
import type { Sequence } from "./sequence.ts";
import { KEPT_TOKENS_MIN, type SlotTable } from "./slot-table.ts";

export interface SharedPrefix {
  /** Holds it. */
  readonly slot: number;
  readonly tokens: number;
  /** Nothing of the prompt in the slot is lost when the sequence goes on in it. */
  readonly isAll: boolean;
}

/** The longest beginning that a slot holds; free slots first among equals, whose memory the sequence can take over. */
export function sharedPrefix({ generation }: Sequence, table: SlotTable): SharedPrefix | undefined {
  const { tenant, promptIds } = generation.offer;
  let best: SharedPrefix | undefined;
  for (let slot = 0; slot < table.count; slot++) {
    const held = table.heldPrompt(slot);
    if (held?.tenant !== tenant) continue;
    const tokens = commonTokens(held.promptIds.subarray(0, held.tokens), promptIds);
    if (tokens === 0 || tokens < (best?.tokens ?? 0)) continue;
    if (best !== undefined && tokens === best.tokens && !(table.isFree(slot) && !table.isFree(best.slot))) continue;
    best = { slot, tokens, isAll: tokens >= sharedTokens(held.tokens) };
  }
  return best;
}

/** 0: too few to bother. */
function commonTokens(held: Int32Array, prompt: Int32Array): number {
  const sharable = sharedTokens(prompt.length);
  const most = Math.min(held.length, sharable);
  let common = 0;
  while (common < most && held[common] === prompt[common]) common += 1;
  return common >= Math.min(KEPT_TOKENS_MIN, sharable) ? common : 0;
}

/** What of a prompt may be shared: its end must be a run of its own, to have logits to sample from. 0: it is too short. */
export function sharedTokens(promptTokens: number): number {
  const shared = promptTokens - RUN_TOKENS_MIN;
  return shared >= RUN_TOKENS_MIN ? shared : 0;
}

/** What a choice of a generation gets from its siblings: their prompt, to be waited for while one of them is still at it. */
export function siblingsPrompt({ generation }: Sequence): "there" | "wait for it" | "none" {
  const shared = sharedTokens(generation.offer.promptIds.length);
  if (shared === 0) return "none";
  let wait = false;
  for (const { slot, cached } of generation.sequences) {
    if (slot === undefined) continue;
    if (cached >= shared) return "there";
    wait = true;
  }
  return wait ? "wait for it" : "none";
}
