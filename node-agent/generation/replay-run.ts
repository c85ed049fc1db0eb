/**
 * Output tokens that were known before the sequence got its slot. Decode runs made their bits, so decode rows must make them again:
 * many rows of one sequence in one run, which stages compute as if one came after another. The newest token is left to a decode
 * run, since what follows it is sampled. Pure.
 */
import { assert } from "../../core/errors.ts";
import type { ReplayRun } from "../../core/wire/step.ts";
import type { Sequence } from "./sequence.ts";

/** A lone token goes with the next decode run. */
const RUN_TOKENS_MIN = 2;

/** Known tokens behind the prompt that no submitted run has covered and that replays will; 0 when there is none worth a run. */
export function replayLeft({ generation, cached, outputIds }: Sequence): number {
  const promptTokens = generation.offer.promptIds.length;
  const left = promptTokens + outputIds.length - 1 - Math.max(cached, promptTokens);
  return left < RUN_TOKENS_MIN ? 0 : left;
}

/** Plans the next run of at most `chunkTokens` and counts it as cached; the whole prompt is. */
export function planReplay(sequence: Sequence, chunkTokens: number): ReplayRun {
  const { generation, slot, cached: past, outputIds } = sequence;
  const left = replayLeft(sequence);
  assert(slot !== undefined && left > 0, "a sequence with known tokens replays them in its slot");
  const begin = past - generation.offer.promptIds.length;
  const count = Math.min(left, chunkTokens);
  sequence.cached = past + count;
  return { kind: "replay", slot, past, tokens: Int32Array.from(outputIds.slice(begin, begin + count)) };
}
