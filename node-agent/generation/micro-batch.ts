/**
 * A micro-batch is a contiguous range of slots whose sequences decode in one run. There are as many as stages, so that every
 * stage has one to work on while the others wait for their tokens. Pure.
 */
import { decodes, type Sequence } from "./sequence.ts";
import type { SlotTable } from "./slot-table.ts";

export interface MicroBatch {
  /** Slots [firstSlot, endSlot). */
  readonly firstSlot: number;
  readonly endSlot: number;
  /** A decode run of it is under way: it gets no other, so no sequence is in two. */
  inFlight: boolean;
  /** Tokens whose copying the rows wasted so far would have paid for; see `slot-moves.ts`. */
  wasteTokens: number;
}

/** Cuts the slots into `stages` even ranges, or one per slot where there are fewer slots. */
export function createMicroBatches(slots: number, stages: number): readonly MicroBatch[] {
  const count = Math.min(slots, stages);
  return Array.from({ length: count }, (_, index) => ({
    firstSlot: Math.floor((slots * index) / count),
    endSlot: Math.floor((slots * (index + 1)) / count),
    inFlight: false,
    wasteTokens: 0,
  }));
}

/** Sequences in its slots that are not paused. */
export function loadOf(batch: MicroBatch, table: SlotTable): number {
  let load = 0;
  for (let slot = batch.firstSlot; slot < batch.endSlot; slot++) {
    const owner = table.owner(slot);
    if (owner !== undefined && !owner.generation.paused) load += 1;
  }
  return load;
}

/** Whose rows its next run has, in the order of their slots. */
export function decodingSequences(batch: MicroBatch, table: SlotTable): Sequence[] {
  const decoding: Sequence[] = [];
  for (let slot = batch.firstSlot; slot < batch.endSlot; slot++) {
    const owner = table.owner(slot);
    if (owner !== undefined && decodes(owner)) decoding.push(owner);
  }
  return decoding;
}

export function hasDecoding(batch: MicroBatch, table: SlotTable): boolean {
  for (let slot = batch.firstSlot; slot < batch.endSlot; slot++) {
    const owner = table.owner(slot);
    if (owner !== undefined && decodes(owner)) return true;
  }
  return false;
}

/** The micro-batch after `last`, or the next behind it that can run. */
export function nextToDecode(batches: readonly MicroBatch[], last: MicroBatch | undefined, table: SlotTable): MicroBatch | undefined {
  const from = last === undefined ? 0 : batches.indexOf(last) + 1;
  for (let ahead = 0; ahead < batches.length; ahead++) {
    const batch = batches[(from + ahead) % batches.length];
    if (batch !== undefined && !batch.inFlight && hasDecoding(batch, table)) return batch;
  }
  return undefined;
}

/**
 * A free slot for a new sequence: in the micro-batch with the fewest sequences, inside the range that those occupy where it has
 * a hole, else next to it, so that runs stay dense. Among equals the slot `wanted`, then those that keep no prompt, then the one
 * that was left longest ago. `among` narrows the choice of micro-batches.
 */
export function chooseSlot(table: SlotTable, among: readonly MicroBatch[], wanted?: number): number | undefined {
  let lightest: MicroBatch | undefined;
  let lightestLoad = Number.POSITIVE_INFINITY;
  for (const batch of among) {
    const load = loadOf(batch, table);
    if (load >= lightestLoad || !hasFreeSlot(batch, table)) continue;
    lightest = batch;
    lightestLoad = load;
  }
  return lightest === undefined ? undefined : densestSlot(lightest, table, wanted);
}

function hasFreeSlot(batch: MicroBatch, table: SlotTable): boolean {
  for (let slot = batch.firstSlot; slot < batch.endSlot; slot++) if (table.isFree(slot)) return true;
  return false;
}

function densestSlot(batch: MicroBatch, table: SlotTable, wanted: number | undefined): number | undefined {
  let first = batch.endSlot;
  let last = batch.firstSlot;
  for (let slot = batch.firstSlot; slot < batch.endSlot; slot++) {
    if (table.isFree(slot)) continue;
    first = Math.min(first, slot);
    last = slot;
  }
  const empty = first === batch.endSlot;
  let best: number | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  let bestRank = Number.POSITIVE_INFINITY;
  for (let slot = batch.firstSlot; slot < batch.endSlot; slot++) {
    if (!table.isFree(slot)) continue;
    const distance = empty ? 0 : Math.max(0, first - slot, slot - last);
    const rank = slot === wanted ? -1 : table.keptRank(slot);
    if (distance > bestDistance || (distance === bestDistance && rank >= bestRank)) continue;
    best = slot;
    bestDistance = distance;
    bestRank = rank;
  }
  return best;
}
