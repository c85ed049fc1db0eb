/** How long a fault lasts: time that passes. */
import { sleep, systemClock } from "../../core/clock.ts";

const never = new AbortController().signal;

export const passing = (ms: number): Promise<void> => sleep(systemClock, ms, never);
