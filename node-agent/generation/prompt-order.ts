/**
 * Which prompt, and what was generated behind it before, gets the next chunk: the one with the least (arrival + time that the rest of its prefill takes). A long prompt
 * yields to shorter ones, but only to those that came at most as much later as its own rest takes, so none starves. Pure.
 */
import { replayLeft } from "./replay-run.ts";
import type { RunCosts } from "./run-costs.ts";
import { promptLeft, type Sequence } from "./sequence.ts";
import { sharedTokens, siblingsPrompt } from "./shared-prefix.ts";
import type { SlotTable } from "./slot-table.ts";
import type { WaitingLine } from "./waiting-line.ts";

/** Chooses among prompts that hold a slot and, where a slot is free, the waiting line's first one; undefined: there is none. */
export function choosePrompt(table: SlotTable, waiting: WaitingLine, costs: RunCosts): Sequence | undefined {
  let best: Sequence | undefined;
  let bestDueMs = Number.POSITIVE_INFINITY;
  const consider = (sequence: Sequence, tokensLeft: number) => {
    const leftUs = tokensLeft * costs.prefill.tokenUs + replayLeft(sequence) * costs.replay.tokenUs;
    const dueMs = sequence.generation.arrivedMs + leftUs / 1_000;
    if (dueMs >= bestDueMs) return;
    best = sequence;
    bestDueMs = dueMs;
  };
  for (let slot = 0; slot < table.count; slot++) {
    const owner = table.owner(slot);
    if (owner?.phase !== "prefilling" || owner.generation.paused) continue;
    const left = promptLeft(owner);
    if (left + replayLeft(owner) > 0) consider(owner, left);
  }
  if (table.freeCount > 0 && waiting.count > 0) {
    const first = waiting.first(mayEnter);
    if (first !== undefined) consider(first, promptLeft(first) - sharableTokens(first));
  }
  return best;
}

const mayEnter = (sequence: Sequence): boolean => !sequence.generation.paused && siblingsPrompt(sequence) !== "wait for it";

/** What a copy would spare it. */
function sharableTokens(sequence: Sequence): number {
  return siblingsPrompt(sequence) === "there" ? sharedTokens(sequence.generation.offer.promptIds.length) : 0;
}
