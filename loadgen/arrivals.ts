/** When requests of an open loop are due, whatever becomes of those before. Pure. */

export const DISTRIBUTIONS = ["constant", "poisson"] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

/** Milliseconds from one request to the next. @param chance in [0, 1), a new one for each; constant arrivals need none */
export function gapMs(distribution: Distribution, perSecond: number, chance: number): number {
  const meanMs = 1_000 / perSecond;
  return distribution === "constant" ? meanMs : -Math.log(1 - chance) * meanMs;
}
