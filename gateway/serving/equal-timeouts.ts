/** Many timeouts of one length with one timer: the oldest is always the next, so a request costs a queue entry and no timer. */
import type { Clock } from "../../core/clock.ts";

/** Fewer are not worth looking for. */
const TAKEN_BACK_MIN = 64;

interface Entry {
  readonly dueMs: number;
  act: (() => void) | undefined;
}

export class EqualTimeouts implements Disposable {
  readonly #clock: Clock;
  readonly #lengthMs: number;
  /** By due time; entries that were taken back stay until their turn, or until they are half of all. */
  #entries: Entry[] = [];
  #takenBack = 0;
  #takeBackTimer: (() => void) | undefined;

  constructor(clock: Clock, lengthMs: number) {
    this.#clock = clock;
    this.#lengthMs = lengthMs;
  }

  /** Runs `act` once; the returned function takes it back. */
  add(act: () => void): () => void {
    const entry: Entry = { dueMs: this.#clock.now() + this.#lengthMs, act };
    this.#entries.push(entry);
    this.#arm();
    return () => {
      if (entry.act === undefined) return;
      entry.act = undefined;
      this.#takenBack++;
      if (this.#takenBack > TAKEN_BACK_MIN && this.#takenBack * 2 > this.#entries.length) this.#sweep();
    };
  }

  [Symbol.dispose](): void {
    this.#entries = [];
    this.#takeBackTimer?.();
    this.#takeBackTimer = undefined;
  }

  #arm(): void {
    const first = this.#entries[0];
    if (first === undefined || this.#takeBackTimer !== undefined) return;
    this.#takeBackTimer = this.#clock.after(first.dueMs - this.#clock.now(), () => this.#expire());
  }

  #expire(): void {
    this.#takeBackTimer = undefined;
    const nowMs = this.#clock.now();
    const alive = this.#entries.findIndex(({ dueMs, act }) => dueMs > nowMs && act !== undefined);
    const over = this.#entries.splice(0, alive === -1 ? this.#entries.length : alive);
    for (const entry of over) {
      const { act } = entry;
      entry.act = undefined;
      if (act === undefined) this.#takenBack = Math.max(0, this.#takenBack - 1);
      else act();
    }
    this.#arm();
  }

  #sweep(): void {
    this.#entries = this.#entries.filter(({ act }) => act !== undefined);
    this.#takenBack = 0;
  }
}
