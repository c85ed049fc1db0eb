/** The clock of something that looks every now and then: it looks when the test says so, which hears when the look is over. */
import type { Clock } from "../../core/clock.ts";

export class LookClock {
  nowMs = 0;
  #look: (() => void) | undefined;
  #looked: (() => void) | undefined;
  readonly clock: Clock = {
    now: () => this.nowMs,
    wallClockMs: () => 0,
    after: (_, act) => {
      this.#look = act;
      this.#looked?.();
      return () => {
        this.#look = undefined;
      };
    },
  };

  look(): Promise<void> {
    return new Promise((resolve) => {
      this.#looked = resolve;
      this.#look?.();
    });
  }

  get waits(): boolean {
    return this.#look !== undefined;
  }
}
