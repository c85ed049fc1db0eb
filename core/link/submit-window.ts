/** Which stream numbers have been seen: exact within a window, and everything before the window counts as seen. Pure. */
import { assert } from "../errors.ts";

const WINDOW = 65_536;

/**
 * A submit may come twice, over the bus and over the link, and its cancel may overtake it. Numbers count up per link session, so
 * one window per session tells the first arrival from late ones.
 */
export class SubmitWindow {
  /** Seen or not, by number modulo the window. */
  readonly #bits = new Uint32Array(WINDOW / 32);
  /** One more than the highest number in the window. */
  #end = 0;

  /** True when `number` comes for the first time: execute it. False: a copy, or canceled before it came. */
  accept(number: number): boolean {
    if (this.seen(number)) return false;
    this.#mark(number);
    return true;
  }

  /** `number` counts as seen from now on, so that its cancel may overtake it. */
  cancel(number: number): void {
    if (!this.seen(number)) this.#mark(number);
  }

  seen(number: number): boolean {
    assert(Number.isSafeInteger(number) && number >= 0, `stream number ${number} is no whole number`);
    if (number >= this.#end) return false;
    if (number < this.#end - WINDOW) return true;
    const bit = number % WINDOW;
    return ((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  }

  #mark(number: number): void {
    if (number - this.#end >= WINDOW) this.#bits.fill(0);
    else for (let passed = this.#end; passed < number; passed++) this.#set(passed, false);
    this.#set(number, true);
    this.#end = Math.max(this.#end, number + 1);
  }

  #set(number: number, seen: boolean): void {
    const bit = number % WINDOW;
    const word = this.#bits[bit >>> 5] ?? 0;
    this.#bits[bit >>> 5] = seen ? word | (1 << (bit & 31)) : word & ~(1 << (bit & 31));
  }
}
