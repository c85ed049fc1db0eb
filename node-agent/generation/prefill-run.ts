/** The next prefill run of a prompt. No run has one token: attention over a single one takes another path and gives other bits. Pure. */
import { assert } from "../../core/errors.ts";
import type { PrefillRun } from "../../core/wire/step.ts";
import { DUMMY_TOKEN } from "./decode-run.ts";
import { promptLeft, type Sequence } from "./sequence.ts";

export const RUN_TOKENS_MIN = 2;

/**
 * Plans the next run of at most `chunkTokens` (or one more, where a lone token would be left) and counts it as cached. A prompt
 * of one token runs with a dummy behind it, whose position the first output token takes over.
 */
export function planPrefill(sequence: Sequence, chunkTokens: number): PrefillRun {
  const slot = sequence.slot;
  assert(slot !== undefined && chunkTokens >= RUN_TOKENS_MIN, "a prompt runs in a slot, in chunks of at least two tokens");
  const prompt = sequence.generation.offer.promptIds;
  const past = sequence.cached;
  if (prompt.length === 1) {
    sequence.cached = 1;
    const tokens = Int32Array.of(prompt[0] ?? DUMMY_TOKEN, DUMMY_TOKEN);
    return { kind: "prefill", slot, past, tokens, sample: sampleOf(sequence, 0) };
  }
  const left = promptLeft(sequence);
  assert(left >= RUN_TOKENS_MIN, `a prompt never has a lone token left, but ${left}`);
  const count = left <= chunkTokens + 1 ? left : chunkTokens;
  sequence.cached = past + count;
  const sample = count === left ? sampleOf(sequence, count - 1) : undefined;
  return { kind: "prefill", slot, past, tokens: prompt.subarray(past, past + count), sample };
}

/** A prompt whose first output token is known has nothing to sample. */
const sampleOf = ({ outputIds }: Sequence, row: number): PrefillRun["sample"] =>
  outputIds.length === 0 ? { row, position: 0 } : undefined;
