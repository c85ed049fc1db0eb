/** Records with owners that expire, in this process's memory: what the memory adapters of stores keep, and tests take away or empty. */
import type { Clock } from "../clock.ts";
import { ServingError } from "../errors.ts";

export interface FencedRecord<T> {
  readonly fence: string;
  readonly record: T;
}

/** So many changes lie between two looks for what has expired. */
const SWEEP_EVERY = 1_000;

export class FencedRecords<T> {
  readonly #clock: Clock;
  readonly #name: string;
  readonly #entries = new Map<string, FencedRecord<T> & { readonly expiresMs: number }>();
  #changes = 0;
  #away = false;

  /** @param name of the store, in errors */
  constructor(clock: Clock, name: string) {
    this.#clock = clock;
    this.#name = name;
  }

  /** While it is away nothing is answered but with UNAVAILABLE. */
  setAway(away: boolean): void {
    this.#away = away;
  }

  /** Everything is lost. */
  wipe(): void {
    this.#entries.clear();
  }

  get count(): number {
    return this.#entries.size;
  }

  /** To be awaited first: an answer never comes in the turn of the question. @throws ServingError UNAVAILABLE while it is away */
  async reach(): Promise<void> {
    await Promise.resolve();
    if (this.#away) throw new ServingError("UNAVAILABLE", `${this.#name} is away: try again`, { reason: "store_unavailable" });
  }

  find(key: string): FencedRecord<T> | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expiresMs > this.#clock.now() ? entry : undefined;
  }

  put(key: string, { fence, record }: FencedRecord<T>, ttlMs: number): void {
    const nowMs = this.#clock.now();
    this.#entries.set(key, { fence, record, expiresMs: nowMs + ttlMs });
    this.#changes += 1;
    if (this.#changes % SWEEP_EVERY !== 0) return;
    for (const [other, { expiresMs }] of this.#entries) if (expiresMs <= nowMs) this.#entries.delete(other);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
