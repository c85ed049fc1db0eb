/** Waiting requests by the time at which something happens to them: a binary heap in which each knows its place. Pure. */
import type { Waiting, WaitingItem } from "./waiting.ts";

export class DueTimes<Item extends WaitingItem> {
  readonly #heap: Waiting<Item>[] = [];

  /** The earliest; it stays. */
  get first(): Waiting<Item> | undefined {
    return this.#heap[0];
  }

  /** Takes it in, moves it or lets it go, as its `dueMs` says now. */
  update(waiting: Waiting<Item>): void {
    this.remove(waiting);
    if (waiting.dueMs === undefined) return;
    this.#heap.push(waiting);
    this.#rise(waiting, this.#heap.length - 1);
  }

  remove(waiting: Pick<Waiting<WaitingItem>, "place">): void {
    const place = waiting.place;
    if (place < 0) return;
    waiting.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === waiting) return;
    this.#rise(last, place);
    this.#sink(last, last.place);
  }

  #rise(waiting: Waiting<Item>, from: number): void {
    let place = from;
    for (let parent = (place - 1) >> 1; place > 0; parent = (place - 1) >> 1) {
      const above = this.#heap[parent];
      if (above === undefined || !isEarlier(waiting, above)) break;
      this.#put(above, place);
      place = parent;
    }
    this.#put(waiting, place);
  }

  #sink(waiting: Waiting<Item>, from: number): void {
    let place = from;
    for (let child = 2 * place + 1; child < this.#heap.length; child = 2 * place + 1) {
      const [left, right] = [this.#heap[child], this.#heap[child + 1]];
      const below = left !== undefined && right !== undefined && isEarlier(right, left) ? right : left;
      if (below === undefined || !isEarlier(below, waiting)) break;
      const freed = below.place;
      this.#put(below, place);
      place = freed;
    }
    this.#put(waiting, place);
  }

  #put(waiting: Waiting<Item>, place: number): void {
    this.#heap[place] = waiting;
    waiting.place = place;
  }
}

/** Of those that are due at the same time, the one that came first. */
function isEarlier<Item extends WaitingItem>(one: Waiting<Item>, other: Waiting<Item>): boolean {
  const [oneMs, otherMs] = [one.dueMs ?? Number.POSITIVE_INFINITY, other.dueMs ?? Number.POSITIVE_INFINITY];
  return oneMs < otherMs || (oneMs === otherMs && one.number < other.number);
}
