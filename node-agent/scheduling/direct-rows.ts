/**
 * Triton's direct strategy: a sequence has one batch row of one instance for its life. A batch covers the rows up to the highest that
 * is taken; rows whose sequence has nothing to run are left empty. Source: `DirectSequenceBatch` of Triton's core. Pure.
 */
import type { DirectStrategy } from "../../core/model/config/configuration.ts";
import type { SequencePlace } from "./live-sequence.ts";
import { NOTHING_TO_RUN, type PickedRows, type RowPicker, type Seated } from "./row-picker.ts";
import type { SequenceItem } from "./sequence-options.ts";

export class DirectRows<Item extends SequenceItem> implements RowPicker<Item> {
  /** By instance and row; the last one is taken. */
  readonly #rows: readonly (Seated<Item> | undefined)[][];
  /** Ready rows that are worth a batch before the delay is over. */
  readonly #rowsWanted: number;
  readonly #delayMs: number;

  constructor(strategy: DirectStrategy, { instances, rows }: { readonly instances: number; readonly rows: number }) {
    this.#rows = Array.from({ length: instances }, () => []);
    this.#rowsWanted = strategy.minimumSlotUtilization * rows;
    this.#delayMs = strategy.maxQueueDelayUs / 1000;
  }

  seat(sequence: Seated<Item>, { instance, row }: SequencePlace): void {
    const rows = this.#of(instance);
    while (rows.length <= row) rows.push(undefined);
    rows[row] = sequence;
  }

  leave({ instance, row }: SequencePlace): void {
    const rows = this.#of(instance);
    rows[row] = undefined;
    while (rows.length > 0 && rows.at(-1) === undefined) rows.pop();
  }

  ready(): void {} // a row shows by itself what it has

  unready(): void {}

  /** Rows of another form than the oldest request's run later. */
  pick(instance: number, nowMs: number): PickedRows<Item> {
    const rows = this.#of(instance);
    let oldest: Seated<Item> | undefined;
    let ready = 0;
    for (const sequence of rows) {
      if (sequence?.head === undefined) continue;
      ready += 1;
      if (oldest === undefined || sequence.readyMs < oldest.readyMs) oldest = sequence;
    }
    if (oldest === undefined) return NOTHING_TO_RUN;
    const untilMs = oldest.readyMs + this.#delayMs;
    if (ready < this.#rowsWanted && nowMs < untilMs) return { kind: "wait", untilMs };
    const form = oldest.head?.form;
    return { kind: "run", rows: rows.map((sequence) => (sequence?.head?.form === form ? sequence?.head : undefined)) };
  }

  #of(instance: number): (Seated<Item> | undefined)[] {
    return this.#rows[instance] ?? [];
  }
}
