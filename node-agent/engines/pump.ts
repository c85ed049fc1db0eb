/**
 * When an engine looks at its queue: once for all that happens in a turn of the loop, and again at the latest when it said so. One
 * lazy timer: it fires at the earliest time that was asked for.
 */
import type { Clock } from "../../core/clock.ts";

export class Pump {
  readonly #clock: Clock;
  readonly #act: () => number | undefined;
  #soon = false;
  #stopped = false;
  #timer: { readonly untilMs: number; readonly takeBack: () => void } | undefined;

  /** @param act returns when it is to be called again at the latest; undefined: when something happens */
  constructor(clock: Clock, act: () => number | undefined) {
    this.#clock = clock;
    this.#act = act;
  }

  /** What arrives in the same turn of the loop is looked at together. */
  soon(): void {
    if (this.#soon || this.#stopped) return;
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      this.now();
    });
  }

  now(): void {
    const untilMs = this.#act();
    if (untilMs !== undefined && !this.#stopped) this.#wakeAt(untilMs);
  }

  /** It does not act by itself any more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.takeBack();
    this.#timer = undefined;
  }

  #wakeAt(untilMs: number): void {
    if (this.#timer !== undefined && this.#timer.untilMs <= untilMs) return;
    this.#timer?.takeBack();
    const takeBack = this.#clock.after(untilMs - this.#clock.now(), () => {
      this.#timer = undefined;
      this.now();
    });
    this.#timer = { untilMs, takeBack };
  }
}
