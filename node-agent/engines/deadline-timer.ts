/** One timer for the earliest of many deadlines. */
import type { Clock } from "../../core/clock.ts";

export class DeadlineTimer {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #set: { readonly dueMs: number; readonly takeBack: () => void } | undefined;

  /** @param onDue is called when the earliest deadline has come, and tells of the next one by `await` */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** A deadline that may be the earliest one; undefined: there is none. */
  await(dueMs: number | undefined): void {
    if (dueMs === undefined || (this.#set !== undefined && this.#set.dueMs <= dueMs)) return;
    this.stop();
    const takeBack = this.#clock.after(dueMs - this.#clock.now(), () => {
      this.#set = undefined;
      this.#onDue();
    });
    this.#set = { dueMs, takeBack };
  }

  stop(): void {
    this.#set?.takeBack();
    this.#set = undefined;
  }
}
