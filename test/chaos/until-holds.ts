/** Asks again and again. */
import { sleep, systemClock } from "../../core/clock.ts";

const LIMIT_MS = 40_000;
const never = new AbortController().signal;

/** @throws Error after 40 s. */
export async function untilHolds(condition: () => Promise<boolean>): Promise<void> {
  if (!(await holdsWithin(LIMIT_MS, condition))) throw new Error(`after ${LIMIT_MS} ms it does not hold: ${condition}`);
}

/** @returns false when it does not by then */
export async function holdsWithin(limitMs: number, condition: () => Promise<boolean>): Promise<boolean> {
  const endMs = systemClock.now() + limitMs;
  while (!(await condition())) {
    if (systemClock.now() > endMs) return false;
    await sleep(systemClock, 20, never);
  }
  return true;
}
