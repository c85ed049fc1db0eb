/** One timer for everything that may idle too long, instead of one for each request. */
import type { Clock } from "../../core/clock.ts";

/** Something that wants to look at the time now and then. It may add and delete while it does. */
export interface Swept {
  sweep(nowMs: number): void;
}

/** Runs while it holds anything. Deadlines kept by it are late by up to its interval. */
export class Sweep {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #swept = new Set<Swept>();
  #takeBack: (() => void) | undefined;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  nowMs(): number {
    return this.#clock.now();
  }

  add(swept: Swept): void {
    this.#swept.add(swept);
    this.#takeBack ??= this.#clock.after(this.#intervalMs, this.#run);
  }

  /** The timer itself is let go lazily: when it fires and finds nothing. */
  delete(swept: Swept): void {
    this.#swept.delete(swept);
  }

  close(): void {
    this.#swept.clear();
    this.#takeBack?.();
    this.#takeBack = undefined;
  }

  readonly #run = (): void => {
    const nowMs = this.#clock.now();
    this.#takeBack = undefined;
    for (const swept of this.#swept) swept.sweep(nowMs);
    if (this.#swept.size > 0) this.#takeBack ??= this.#clock.after(this.#intervalMs, this.#run);
  };
}
