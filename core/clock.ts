/** Time as an argument: the system's clock for programs, `test/support/fake-clock.ts` for tests. */

export interface Clock {
  /** Monotonic milliseconds; only differences mean something. */
  now(): number;
  /** Unix time in milliseconds, for what people and protocols read. */
  wallClockMs(): number;
  /** Runs `act` once after `delayMs`; the returned function takes it back. */
  after(delayMs: number, act: () => void): () => void;
}

const DELAY_MS_MAX = 2 ** 31 - 1; // Node fires longer timers at once

export const systemClock: Clock = {
  now: () => performance.now(),
  wallClockMs: () => Date.now(),
  after(delayMs, act) {
    const timer = setTimeout(act, Math.min(Math.max(0, delayMs), DELAY_MS_MAX));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`. @throws the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      takeBack();
      reject(signal.reason);
    };
    const takeBack = clock.after(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
