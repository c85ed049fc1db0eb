/** Tells when the oldest step under way takes far longer than it should. One lazy timer, not one per step. */
import type { Clock } from "../../core/clock.ts";

const PATIENCE = 10;
const LIMIT_MS_MIN = 10_000;
/** However long it is expected to take: one slow run of two tokens says little of the next one of two hundred. */
const LIMIT_MS_MAX = 60_000;

export class StepWatchdog {
  readonly #clock: Clock;
  readonly #onStuck: (limitMs: number) => void;
  #limitMs = 0;
  #dueMs: number | undefined;
  #takeBack: (() => void) | undefined;

  constructor(clock: Clock, onStuck: (limitMs: number) => void) {
    this.#clock = clock;
    this.#onStuck = onStuck;
  }

  /** Another step is the oldest now and should take so long; undefined: none is under way. */
  watch(expectedMs: number | undefined): void {
    if (expectedMs === undefined) {
      this.#dueMs = undefined;
      return;
    }
    this.#limitMs = Math.min(LIMIT_MS_MAX, Math.max(LIMIT_MS_MIN, PATIENCE * expectedMs));
    this.#dueMs = this.#clock.now() + this.#limitMs;
    this.#takeBack ??= this.#clock.after(this.#limitMs, () => this.#look());
  }

  stop(): void {
    this.#dueMs = undefined;
    this.#takeBack?.();
    this.#takeBack = undefined;
  }

  #look(): void {
    this.#takeBack = undefined;
    if (this.#dueMs === undefined) return;
    const leftMs = this.#dueMs - this.#clock.now();
    if (leftMs > 0) {
      this.#takeBack = this.#clock.after(leftMs, () => this.#look());
      return;
    }
    this.#dueMs = undefined;
    this.#onStuck(this.#limitMs);
  }
}
