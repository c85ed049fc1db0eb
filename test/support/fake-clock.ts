/** A clock that stands still until the test moves it, and `turns`, which lets what is under way in memory arrive. */
import type { Clock } from "../../core/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly act: () => void;
}

/** Lets the event loop turn: whatever was sent over memory adapters without delay, and its answers, have arrived afterwards. */
export async function turns(count = 24): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  wallClockMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, act: () => void): () => void {
    const timer: Timer = { dueMs: this.#nowMs + Math.max(0, delayMs), act };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that have not fired and were not taken back. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time and fires what is due on the way, the earliest first, equal ones in the order they were set. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (let timer = this.#earliest(untilMs); timer !== undefined; timer = this.#earliest(untilMs)) this.#fire(timer);
    this.#nowMs = untilMs;
  }

  /** As `advance`, but lets the event loop turn before, between and after the timers. */
  async pass(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await turns();
    for (let timer = this.#earliest(untilMs); timer !== undefined; timer = this.#earliest(untilMs)) {
      this.#fire(timer);
      await turns();
    }
    this.#nowMs = untilMs;
  }

  #fire(timer: Timer): void {
    this.#timers.delete(timer);
    this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
    timer.act();
  }

  #earliest(untilMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  }
}
