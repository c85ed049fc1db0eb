/**
 * When a sequence is moved to another slot. A hole inside a micro-batch costs an idle row per run, and a micro-batch with more
 * sequences than another makes the others' stages wait; copying a slot costs by its length, once. Nobody knows how long a hole
 * would last, so rows are wasted until they add up to the copy, which then costs at most twice the best possible (the ski rental
 * rule: Karlin et al., Competitive snoopy caching, 1988). Pure.
 */
import type { SlotCopy } from "../../core/wire/step.ts";
import { chooseSlot, decodingSequences, loadOf, type MicroBatch } from "./micro-batch.ts";
import type { Sequence } from "./sequence.ts";
import type { SlotTable } from "./slot-table.ts";

/**
 * Tokens of a slot that are copied in the time of one row. A 135M model with f32 KV copies a token's 46 kB in about 8 µs and
 * computes a row of a batch in about 3 ms; larger models have dearer rows and hardly dearer copies.
 */
const ROW_TOKENS = 256;

interface Move {
  readonly sequence: Sequence;
  readonly to: number;
  readonly rowsSaved: number;
}

/** Counts what the coming run of `batch` wastes and, when that has added up, moves one sequence in the table. */
export function moveThatPays(table: SlotTable, batch: MicroBatch, batches: readonly MicroBatch[]): SlotCopy | undefined {
  const decoding = decodingSequences(batch, table);
  const move = intoHole(table, decoding) ?? intoLighterBatch(table, decoding, batch, batches);
  if (move === undefined) {
    batch.wasteTokens = 0;
    return undefined;
  }
  batch.wasteTokens += move.rowsSaved * ROW_TOKENS;
  const { sequence, to } = move;
  const from = sequence.slot;
  if (from === undefined || batch.wasteTokens < sequence.cached) return undefined;
  batch.wasteTokens = 0;
  table.move(sequence, to);
  return { from, to, tokens: sequence.cached };
}

/** The shorter one of the two sequences at the ends of a run, into a free slot between them. */
function intoHole(table: SlotTable, decoding: readonly Sequence[]): Move | undefined {
  const first = decoding[0];
  const last = decoding.at(-1);
  if (first?.slot === undefined || last?.slot === undefined) return undefined;
  let lowestHole: number | undefined;
  let highestHole: number | undefined;
  for (let slot = first.slot + 1; slot < last.slot; slot++) {
    if (!table.isFree(slot)) continue;
    lowestHole ??= slot;
    highestHole = slot;
  }
  if (lowestHole === undefined || highestHole === undefined) return undefined;
  if (first.cached < last.cached) {
    const second = decoding[1]?.slot ?? highestHole;
    return { sequence: first, to: highestHole, rowsSaved: Math.min(second, highestHole) - first.slot };
  }
  const secondLast = decoding.at(-2)?.slot ?? lowestHole;
  return { sequence: last, to: lowestHole, rowsSaved: last.slot - Math.max(secondLast, lowestHole) };
}

/** The shortest sequence, into a micro-batch that has at least two fewer. */
function intoLighterBatch(
  table: SlotTable,
  decoding: readonly Sequence[],
  batch: MicroBatch,
  batches: readonly MicroBatch[],
): Move | undefined {
  if (decoding.length < 2 || batches.length < 2) return undefined;
  const load = loadOf(batch, table);
  const to = chooseSlot(
    table,
    batches.filter((other) => other !== batch && load - loadOf(other, table) >= 2),
  );
  const target = batches.find((other) => to !== undefined && to >= other.firstSlot && to < other.endSlot);
  if (to === undefined || target === undefined) return undefined;
  let sequence = decoding[0];
  for (const candidate of decoding) if (sequence === undefined || candidate.cached < sequence.cached) sequence = candidate;
  if (sequence === undefined) return undefined;
  return { sequence, to, rowsSaved: Math.floor((load - loadOf(target, table)) / 2) };
}
