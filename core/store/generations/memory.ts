/** Resumable generations in this process's memory: for a cluster in one process, a gateway of its own, and tests. */
import type { Clock } from "../../clock.ts";
import { ServingError } from "../../errors.ts";
import type { GenerationRecord, GenerationStore, Keep } from "./generation-store.ts";

interface Entry {
  readonly fence: string;
  readonly record: GenerationRecord;
  readonly expiresMs: number;
}

/** So many changes lie between two looks for what has expired. */
const SWEEP_EVERY = 1_000;

export class MemoryGenerationStore implements GenerationStore {
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

  async begin(generation: string, { fence, ...record }: GenerationRecord & { readonly fence: string }, ttlMs: number): Promise<void> {
    await this.#reach();
    this.#put(generation, { fence, record }, ttlMs);
  }

  async take(
    generation: string,
    { tenant, fence }: { readonly tenant: string; readonly fence: string },
    ttlMs: number,
  ): Promise<GenerationRecord | undefined> {
    await this.#reach();
    const record = this.#find(generation)?.record;
    if (record?.tenant !== tenant) return undefined;
    this.#put(generation, { fence, record }, ttlMs);
    return record;
  }

  async keep(
    generation: string,
    { fence, node, incarnation }: Pick<GenerationRecord, "node" | "incarnation"> & { readonly fence: string },
    ttlMs: number,
  ): Promise<Keep> {
    await this.#reach();
    const entry = this.#find(generation);
    if (entry === undefined) return { kind: "unknown" };
    if (entry.fence !== fence) return { kind: "taken" };
    this.#put(generation, { fence, record: { ...entry.record, node, incarnation } }, ttlMs);
    return { kind: "kept" };
  }

  /** An answer never comes in the turn of the question. */
  async #reach(): Promise<void> {
    await Promise.resolve();
    if (this.#away) throw new ServingError("UNAVAILABLE", "the store of generations is away: try again", { reason: "store_unavailable" });
  }

  #find(generation: string): Entry | undefined {
    const entry = this.#entries.get(generation);
    return entry !== undefined && entry.expiresMs > this.#clock.now() ? entry : undefined;
  }

  #put(generation: string, entry: Omit<Entry, "expiresMs">, ttlMs: number): void {
    const nowMs = this.#clock.now();
    this.#entries.set(generation, { ...entry, expiresMs: nowMs + ttlMs });
    this.#changes += 1;
    if (this.#changes % SWEEP_EVERY !== 0) return;
    for (const [other, { expiresMs }] of this.#entries) if (expiresMs <= nowMs) this.#entries.delete(other);
  }
}
