/**
 * Time of a simulated cluster. Between two timers the event loop turns until nothing is under way in memory any more, and no
 * longer: a run depends on its seed alone and costs microseconds per timer.
 */
import type { Clock } from "../../../core/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly act: () => void;
  readonly counted: boolean;
}

/** Whether what memory adapters send on "a later turn" is under way. */
const turnsPending = (): boolean => process.getActiveResourcesInfo().includes("Immediate");

/** Lets the event loop turn until only the clock can make something happen. */
export async function settle(): Promise<void> {
  do await new Promise<void>((resolve) => setImmediate(resolve));
  while (turnsPending());
}

export class VirtualTime implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();
  /** Timers that have fired. */
  fired = 0;

  now(): number {
    return this.#nowMs;
  }

  wallClockMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, act: () => void): () => void {
    return this.#set(delayMs, act, true);
  }

  /** The same time for what is no part of the cluster: its timers are not counted as pending. */
  uncounted(): Clock {
    return { now: () => this.now(), wallClockMs: () => this.wallClockMs(), after: (delayMs, act) => this.#set(delayMs, act, false) };
  }

  /** Timers that have not fired and were not taken back. */
  get pending(): number {
    return [...this.#timers].filter(({ counted }) => counted).length;
  }

  /** Moves time, timer by timer; equal ones fire in the order in which they were set. */
  async pass(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    for (let timer = this.#earliest(untilMs); timer !== undefined; timer = this.#earliest(untilMs)) {
      this.#timers.delete(timer);
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      this.fired += 1;
      timer.act();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  /** Moves time in steps until `condition` holds. @returns whether it did within `limitMs`. */
  async until(condition: () => boolean, limitMs: number, stepMs = 50): Promise<boolean> {
    const endMs = this.#nowMs + limitMs;
    while (!condition()) {
      if (this.#nowMs >= endMs) return false;
      await this.pass(stepMs);
    }
    return true;
  }

  #set(delayMs: number, act: () => void, counted: boolean): () => void {
    const timer: Timer = { dueMs: this.#nowMs + Math.max(0, delayMs), act, counted };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  #earliest(untilMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  }
}
