/** How sequences that have a place share an instance's batches: `direct-rows.ts` and `oldest-candidates.ts`. Pure. */
import type { LiveSequence, SequencePlace } from "./live-sequence.ts";
import type { SequenceItem } from "./sequence-options.ts";

export type Seated<Item extends SequenceItem> = Pick<LiveSequence<Item, unknown>, "head" | "readyMs">;

export type PickedRows<Item> =
  /** By batch row; undefined: a row without a request. */
  | { readonly kind: "run"; readonly rows: readonly (Item | undefined)[] }
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "idle" };

export interface RowPicker<Item extends SequenceItem> {
  seat(sequence: Seated<Item>, place: SequencePlace): void;
  leave(place: SequencePlace): void;
  /** The sequence's next request may run. */
  ready(item: Item, place: SequencePlace, nowMs: number): void;
  /** It does not want to any more. */
  unready(item: Item, place: SequencePlace): void;
  /** What the instance, which is free, runs next. */
  pick(instance: number, nowMs: number): PickedRows<Item>;
}

export const NOTHING_TO_RUN = { kind: "idle" } as const;
