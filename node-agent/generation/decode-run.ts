/**
 * The decode run of a micro-batch: one token for each of its decoding sequences, idle rows for what lies between them. Pure.
 *
 * An idle row is harmless on any slot. It runs a dummy token at the slot's end: a free slot has nothing to lose behind the prompt
 * that it may keep, and an occupied one (paused, in prefill, or in another micro-batch) gets its next real token at that same
 * position by a later step. An idle row
 * has no output position, so nothing is sampled.
 */
import { assert } from "../../core/errors.ts";
import type { DecodeRow, DecodeRun } from "../../core/wire/step.ts";
import { decodingSequences, type MicroBatch } from "./micro-batch.ts";
import type { Sequence } from "./sequence.ts";
import type { SlotTable } from "./slot-table.ts";

export interface PlannedDecode {
  readonly run: DecodeRun;
  /** Whose row is at the same index; undefined: an idle row. */
  readonly sequences: readonly (Sequence | undefined)[];
  readonly rowsIdle: number;
  /** Rows that are sampled; the others that are not idle feed tokens that are known. */
  readonly rowsWanted: number;
}

export const DUMMY_TOKEN = 0;

/** Plans the run of a micro-batch with sequences that decode, and counts their rows as cached. */
export function planDecode(table: SlotTable, batch: MicroBatch, rowsMin: number): PlannedDecode {
  const decoding = decodingSequences(batch, table);
  let first = decoding[0]?.slot;
  let last = decoding.at(-1)?.slot;
  assert(first !== undefined && last !== undefined, "a micro-batch that runs has a sequence that decodes");
  while (last - first + 1 < rowsMin) {
    if (growsDown(table, first, last)) first -= 1;
    else last += 1;
  }
  const rows: DecodeRow[] = [];
  const sequences: (Sequence | undefined)[] = [];
  let rowsIdle = 0;
  let rowsWanted = 0;
  for (let slot = first; slot <= last; slot++) {
    const owner = table.owner(slot);
    if (owner !== undefined && decoding.includes(owner)) {
      const row = nextRow(owner);
      if (row.position !== undefined) rowsWanted += 1;
      rows.push(row);
      sequences.push(owner);
      owner.cached += 1;
    } else {
      rows.push({ token: DUMMY_TOKEN, past: table.idlePosition(slot), position: undefined });
      sequences.push(undefined);
      table.touch(slot);
      rowsIdle += 1;
    }
  }
  return { run: { kind: "decode", firstSlot: first, rows }, sequences, rowsIdle, rowsWanted };
}

/** Feeds the first output token that is not cached; what follows the newest one is sampled. */
function nextRow({ generation, cached, outputIds }: Sequence): DecodeRow {
  const fed = cached - generation.offer.promptIds.length;
  const token = outputIds[fed];
  assert(token !== undefined, "a sequence that decodes has a token that is not cached");
  return { token, past: cached, position: fed + 1 === outputIds.length ? outputIds.length : undefined };
}

/** Whether the slot below costs an added idle row less than the one above: attention reads what a slot holds. */
function growsDown(table: SlotTable, first: number, last: number): boolean {
  if (first === 0) return false;
  if (last + 1 >= table.count) return true;
  return table.idlePosition(first - 1) < table.idlePosition(last + 1);
}
