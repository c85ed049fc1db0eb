/**
 * Which generation is likely why stages die. A model computes the same for the same tokens: what has killed a stage kills the next
 * one at the same place, and a generation that merely was there is at another place by then. Pure.
 */
import type { Sequence } from "./sequence.ts";

export class Strikes {
  /** Tokens that a sequence had cached when stages last died on a run of it. */
  readonly #places = new WeakMap<Sequence, number>();

  /**
   * Stages have died with these runs under way; see `StepsInFlight.runs`.
   * @returns the keys of generations on which they did so twice in a row at the same place
   */
  strike(runs: ReadonlyMap<Sequence, number>): ReadonlySet<number> {
    const convicted = new Set<number>();
    for (const [sequence, cached] of runs) {
      if (sequence.phase === "ended") continue;
      if (this.#places.get(sequence) === cached) convicted.add(sequence.generation.offer.key);
      this.#places.set(sequence, cached);
    }
    return convicted;
  }
}
