/** Asks again and again. */
import { sleep, systemClock } from "../../core/clock.ts";

const LIMIT_MS = 40_000;
const never = new AbortController().signal;

/** @throws Error after 40 s. */
export async function untilHolds(condition: () => Promise<boolean>): Promise<void> {
  const endMs = systemClock.now() + LIMIT_MS;
  while (!(await condition())) {
    if (systemClock.now() > endMs) throw new Error(`after ${LIMIT_MS} ms it does not hold: ${condition}`);
    await sleep(systemClock, 20, never);
  }
}
