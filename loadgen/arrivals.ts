/** When requests of an open loop are due, whatever becomes of those before. Pure. */
import { ServingError } from "../core/errors.ts";

export const DISTRIBUTIONS = ["constant", "poisson"] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

/** Milliseconds from one request to the next. */
export type NextGap = () => number;

/** @param chance in [0, 1), a new one for each; constant arrivals need none */
export function gapsOf(distribution: Distribution, perSecond: number, chance: () => number): NextGap {
  const meanMs = 1_000 / perSecond;
  return distribution === "constant" ? () => meanMs : () => -Math.log(1 - chance()) * meanMs;
}

/** Perf Analyzer's file of intervals: microseconds, one a line. @returns milliseconds @throws ServingError INVALID_ARGUMENT */
export function parseIntervals(text: string): readonly number[] {
  const gapsMs = text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => Number(line) / 1_000);
  if (gapsMs.length > 0 && gapsMs.every((ms) => ms > 0 && Number.isFinite(ms))) return gapsMs;
  throw new ServingError("INVALID_ARGUMENT", "--request-intervals: the file has microseconds above 0, one a line");
}

/** One after the other, and again from the first. @param gapsMs at least one */
export function givenGaps(gapsMs: readonly number[]): NextGap {
  let next = 0;
  return () => gapsMs[next++ % gapsMs.length] ?? 0;
}
