/** What a simulation draws from its seed. */
import { type Random, seededRandom } from "../../../core/random.ts";

export class Dice {
  readonly #random: Random;

  constructor(seed: bigint) {
    this.#random = seededRandom(seed);
  }

  /** From `min` to `max`, both included. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.#random.next() * (max - min + 1));
  }

  happens(probability: number): boolean {
    return this.#random.next() < probability;
  }

  /** undefined only of an empty list. */
  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.whole(0, items.length - 1)];
  }

  seed(): bigint {
    return this.#random.seed();
  }
}
