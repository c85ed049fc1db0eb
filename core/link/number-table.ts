/**
 * What is open by its number, where numbers count up and everything stays open for a moment only. A `Map` that is filled and emptied
 * replaces its table again and again, and V8 chains the tables that it replaced: what was in them outlives collections. Pure.
 */

export interface Numbered<Entry> {
  readonly number: number;
  /** The table's own, while the entry is in it: another one in the same slot. */
  nextInSlot: Entry | undefined;
}

const SLOTS_MIN = 64;

export class NumberTable<Entry extends Numbered<Entry>> {
  /** A power of two; numbers that follow each other have slots of their own. */
  #slots: (Entry | undefined)[] = emptySlots(SLOTS_MIN);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(number: number): Entry | undefined {
    let entry = this.#slots[number & (this.#slots.length - 1)];
    while (entry !== undefined && entry.number !== number) entry = entry.nextInSlot;
    return entry;
  }

  /** @param entry none of its number is there */
  add(entry: Entry): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#size += 1;
    this.#put(entry);
  }

  /** Does nothing when it is not there. */
  delete(entry: Entry): void {
    const slot = entry.number & (this.#slots.length - 1);
    const first = this.#slots[slot];
    if (first === entry) this.#slots[slot] = entry.nextInSlot;
    else {
      let before = first;
      while (before !== undefined && before.nextInSlot !== entry) before = before.nextInSlot;
      if (before === undefined) return;
      before.nextInSlot = entry.nextInSlot;
    }
    entry.nextInSlot = undefined;
    this.#size -= 1;
  }

  /** In no order. */
  all(): readonly Entry[] {
    const entries: Entry[] = [];
    for (const first of this.#slots) {
      for (let entry = first; entry !== undefined; entry = entry.nextInSlot) entries.push(entry);
    }
    return entries;
  }

  #put(entry: Entry): void {
    const slot = entry.number & (this.#slots.length - 1);
    entry.nextInSlot = this.#slots[slot];
    this.#slots[slot] = entry;
  }

  #grow(): void {
    const entries = this.all();
    this.#slots = emptySlots(2 * this.#slots.length);
    for (const entry of entries) this.#put(entry);
  }
}

const emptySlots = (count: number): undefined[] => new Array<undefined>(count).fill(undefined);
