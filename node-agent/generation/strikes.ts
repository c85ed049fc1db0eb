/**
 * Which generation is likely why stages die. A model computes the same for the same tokens: what has killed a stage kills the next
 * one at the same place, and a generation that merely was there is at another place by then. Pure.
 */
import type { Sequence } from "./sequence.ts";

/** Two deaths at one place may still be chance: a stage is killed, and the next one while it makes up for the first. */
const DEATHS_MAX = 3;

export class Strikes {
  /** Tokens that a sequence had cached when stages last died on a run of it, and how often in a row they died there. */
  #last = new WeakMap<Sequence, { readonly cached: number; readonly deaths: number }>();

  /** The last of them was none: the stages are still there. */
  forgive(): void {
    this.#last = new WeakMap();
  }

  /**
   * Stages have died with these runs under way; see `StepsInFlight.runs`.
   * @returns the keys of generations on which they have done so too often in a row at the same place
   */
  strike(runs: ReadonlyMap<Sequence, number>): ReadonlySet<number> {
    const convicted = new Set<number>();
    for (const [sequence, cached] of runs) {
      if (sequence.phase === "ended") continue;
      const last = this.#last.get(sequence);
      const deaths = last?.cached === cached ? last.deaths + 1 : 1;
      this.#last.set(sequence, { cached, deaths });
      if (deaths >= DEATHS_MAX) convicted.add(sequence.generation.offer.key);
    }
    return convicted;
  }
}
