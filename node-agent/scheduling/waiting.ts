/** A request that waits, and the lines it may wait in: first in, first out, and out of the middle at no cost. Pure. */
import { assert } from "../../core/errors.ts";
import type { BatchItem } from "./batch-options.ts";

/** What waits knows its place. A map of places, filled and emptied by every request, would keep requests alive that are long answered. */
export interface WaitingItem extends BatchItem {
  /** The queue's own: its one queue's. */
  waiting?: Waiting<WaitingItem> | undefined;
}

/** One request in the queue. It stands in one line at a time, and in the heap of due times while it has one. */
export class Waiting<Item extends WaitingItem> {
  readonly item: Item;
  readonly level: number;
  readonly arrivedMs: number;
  /** Counts up with every request. */
  readonly number: number;
  /** When its policy's timeout is over; undefined: never, or over already. */
  timeoutMs: number | undefined;
  line: WaitingLine<Item> | undefined;
  previous: Waiting<Item> | undefined;
  next: Waiting<Item> | undefined;
  /** Its place in the heap of due times; -1: it is not there. */
  place = -1;

  constructor(item: Item, at: { readonly level: number; readonly arrivedMs: number; readonly number: number }) {
    this.item = item;
    this.level = at.level;
    this.arrivedMs = at.arrivedMs;
    this.number = at.number;
  }

  /** When something happens to it if it still waits; undefined: nothing ever. */
  get dueMs(): number | undefined {
    const { deadlineMs } = this.item;
    if (this.timeoutMs === undefined) return deadlineMs;
    return deadlineMs === undefined ? this.timeoutMs : Math.min(deadlineMs, this.timeoutMs);
  }
}

export class WaitingLine<Item extends WaitingItem> {
  #first: Waiting<Item> | undefined;
  #last: Waiting<Item> | undefined;
  #count = 0;

  get first(): Waiting<Item> | undefined {
    return this.#first;
  }

  get count(): number {
    return this.#count;
  }

  add(waiting: Waiting<Item>): void {
    assert(waiting.line === undefined, "a request waits in one line at a time");
    waiting.line = this;
    waiting.previous = this.#last;
    if (this.#last === undefined) this.#first = waiting;
    else this.#last.next = waiting;
    this.#last = waiting;
    this.#count += 1;
  }

  remove(waiting: Waiting<Item>): void {
    assert(waiting.line === this, "a request leaves the line it waits in");
    const { previous, next } = waiting;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    waiting.line = undefined;
    waiting.previous = undefined;
    waiting.next = undefined;
    this.#count -= 1;
  }
}
