/** Numbers from 0 that are given out, the lowest free one first, and come back. Pure. */
import { assert } from "../../core/errors.ts";

export class LowestFree {
  readonly #count: number;
  readonly #taken: boolean[] = [];
  /** All below are taken. */
  #lowest = 0;

  constructor(count: number) {
    this.#count = count;
  }

  /** undefined: all are taken. */
  take(): number | undefined {
    while (this.#taken[this.#lowest] === true) this.#lowest += 1;
    if (this.#lowest === this.#count) return undefined;
    this.#taken[this.#lowest] = true;
    return this.#lowest++;
  }

  giveBack(number: number): void {
    assert(this.#taken[number] === true, `${number} was given out`);
    this.#taken[number] = false;
    this.#lowest = Math.min(this.#lowest, number);
  }
}
