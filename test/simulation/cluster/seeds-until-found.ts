/** How many simulations it takes until a planted bug breaks a promise. */
import type { PlantedBug } from "./planted-bugs.ts";
import { simulate } from "./simulate.ts";

export interface Found {
  readonly seeds: number;
  /** The promise that was broken. */
  readonly by: string;
}

/** undefined: it was not found. */
export async function seedsUntilFound(bug: PlantedBug, seedsMax: number): Promise<Found | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    try {
      await simulate(BigInt(seed), () => {}, bug);
    } catch (thrown) {
      return { seeds: seed, by: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }
  return undefined;
}
