/** A sequence enters a slot, and the last stage is told of it. Pure. */
import { assert } from "../../core/errors.ts";
import type { Admission, Step } from "../../core/wire/step.ts";
import { chooseSlot, type MicroBatch } from "./micro-batch.ts";
import type { Sequence } from "./sequence.ts";
import { sharedPrefix } from "./shared-prefix.ts";
import type { SlotTable } from "./slot-table.ts";

const NO_IDS = new Int32Array(0);

/** What stages do before a sequence's first run: give up what its slot kept, bring the beginning of its prompt along, know how to sample. */
export type Entrance = Pick<Step, "releases" | "copies" | "admissions">;

/** Counts as cached what a slot holds of the prompt already. */
export function enterSlot(sequence: Sequence, table: SlotTable, batches: readonly MicroBatch[]): Entrance {
  const shared = sharedPrefix(sequence, table);
  const slot = chooseSlot(table, batches, shared?.isAll === true ? shared.slot : undefined);
  assert(slot !== undefined, "a sequence is admitted when a slot is free");
  const inPlace = shared?.slot === slot;
  const releases = table.keptRank(slot) > 0 && !inPlace ? [slot] : [];
  if (shared !== undefined) table.keepLonger(shared.slot);
  table.take(slot, sequence);
  sequence.phase = "prefilling";
  sequence.cached = shared?.tokens ?? 0;
  const copies = shared === undefined || inPlace ? [] : [{ from: shared.slot, to: slot, tokens: shared.tokens }];
  return { releases, copies, admissions: [admissionOf(sequence)] };
}

/** Ids travel only where a penalty counts them. */
function admissionOf({ generation, slot, choice, outputIds }: Sequence): Admission {
  assert(slot !== undefined, "a sequence is admitted to the slot that it holds");
  const { sampling, promptIds } = generation.offer;
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = sampling;
  const countsOutput = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
  return {
    slot,
    choice,
    sampling,
    promptIds: repetitionPenalty === 1 ? NO_IDS : promptIds,
    outputIds: countsOutput ? Int32Array.from(outputIds) : NO_IDS,
  };
}
