/** Sequences in this process's memory: for a cluster in one process, and for tests, which can take it away and empty it. */
import type { Clock } from "../../clock.ts";
import { ServingError } from "../../errors.ts";
import type { Commit, SequenceOwnership, SequenceRecord, SequenceStore, StoredStep, TakeOver } from "./sequence-store.ts";

interface Entry {
  readonly fence: string;
  readonly record: SequenceRecord;
  readonly expiresMs: number;
}

const NOTHING = new Uint8Array();
/** So many changes lie between two looks for what has expired. */
const SWEEP_EVERY = 1_000;

export class MemorySequenceStore implements SequenceStore {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #changes = 0;
  #away = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** While it is away nothing is answered but with UNAVAILABLE. */
  setAway(away: boolean): void {
    this.#away = away;
  }

  /** Everything that it holds is lost. */
  wipe(): void {
    this.#entries.clear();
  }

  get count(): number {
    return this.#entries.size;
  }

  async begin(key: string, { owner, fence, start }: SequenceOwnership & { readonly start: string }, ttlMs: number): Promise<void> {
    await this.#reach();
    this.#put(key, fence, { owner, start, steps: 0, token: "", ended: false, states: NOTHING, answer: NOTHING }, ttlMs);
  }

  async takeOver(key: string, by: SequenceOwnership & { readonly from: string }, ttlMs: number): Promise<TakeOver> {
    await this.#reach();
    const entry = this.#find(key);
    if (entry === undefined) return { kind: "unknown" };
    const { record } = entry;
    if (record.ended) return { kind: "ended", record };
    if (record.owner !== by.owner && record.owner !== by.from) return { kind: "owned", owner: record.owner };
    this.#put(key, by.fence, { ...record, owner: by.owner }, ttlMs);
    return { kind: "taken", record };
  }

  async commit(
    key: string,
    { fence, after }: { readonly fence: string; readonly after: number },
    step: StoredStep,
    ttlMs: number,
  ): Promise<Commit> {
    const copy = { ...step, states: step.states.slice(), answer: step.answer.slice() };
    await this.#reach();
    const entry = this.#find(key);
    if (entry === undefined) return { kind: "unknown" };
    const { record } = entry;
    if (entry.fence !== fence) return { kind: "moved", owner: record.owner };
    if (record.steps !== after && record.steps !== step.steps) return { kind: "unknown" };
    this.#put(key, fence, { ...copy, owner: record.owner, start: record.start }, ttlMs);
    return { kind: "committed" };
  }

  async forget(key: string, fence: string): Promise<void> {
    await this.#reach();
    if (this.#find(key)?.fence === fence) this.#entries.delete(key);
  }

  /** An answer never comes in the turn of the question. */
  async #reach(): Promise<void> {
    await Promise.resolve();
    if (this.#away) throw new ServingError("UNAVAILABLE", "the store of sequences is away: try again", { reason: "store_unavailable" });
  }

  #find(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expiresMs > this.#clock.now() ? entry : undefined;
  }

  #put(key: string, fence: string, record: SequenceRecord, ttlMs: number): void {
    const nowMs = this.#clock.now();
    this.#entries.set(key, { fence, record, expiresMs: nowMs + ttlMs });
    this.#changes += 1;
    if (this.#changes % SWEEP_EVERY !== 0) return;
    for (const [other, { expiresMs }] of this.#entries) if (expiresMs <= nowMs) this.#entries.delete(other);
  }
}
