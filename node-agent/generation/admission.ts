/** A sequence enters a slot, and the last stage is told of it. Pure. */
import { assert } from "../../core/errors.ts";
import type { Admission, SlotCopy } from "../../core/wire/step.ts";
import { chooseSlot, type MicroBatch } from "./micro-batch.ts";
import { sharedPrompt, sharedTokens } from "./prefill-run.ts";
import type { Sequence } from "./sequence.ts";
import type { SlotTable } from "./slot-table.ts";

const NO_IDS = new Int32Array(0);

/** @returns the copy that brings a sibling's prompt along, where there is one */
export function enterSlot(sequence: Sequence, table: SlotTable, batches: readonly MicroBatch[]): SlotCopy | undefined {
  const slot = chooseSlot(table, batches);
  assert(slot !== undefined, "a sequence is admitted when a slot is free");
  const shared = sharedPrompt(sequence);
  const from = shared.kind === "copy" ? shared.sibling.slot : undefined;
  table.take(slot, sequence);
  sequence.phase = "prefilling";
  if (from === undefined) return undefined;
  sequence.cached = sharedTokens(sequence.generation.offer.promptIds.length);
  return { from, to: slot, tokens: sequence.cached };
}

/** Ids travel only where a penalty counts them. */
export function admissionOf({ generation, slot, choice, outputIds }: Sequence): Admission {
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
