/** Resumable generations in this process's memory: for a cluster in one process, a gateway of its own, and tests. */
import type { Clock } from "../../clock.ts";
import { FencedRecords } from "../fenced-records.ts";
import type { GenerationRecord, GenerationStore, Keep } from "./generation-store.ts";

export class MemoryGenerationStore implements GenerationStore {
  /** What it holds; tests take it away and empty it. */
  readonly records: FencedRecords<GenerationRecord>;

  constructor(clock: Clock) {
    this.records = new FencedRecords(clock, "the store of generations");
  }

  async begin(generation: string, { fence, ...record }: GenerationRecord & { readonly fence: string }, ttlMs: number): Promise<void> {
    await this.records.reach();
    this.records.put(generation, { fence, record }, ttlMs);
  }

  async take(
    generation: string,
    { tenant, fence }: { readonly tenant: string; readonly fence: string },
    ttlMs: number,
  ): Promise<GenerationRecord | undefined> {
    await this.records.reach();
    const record = this.records.find(generation)?.record;
    if (record?.tenant !== tenant) return undefined;
    this.records.put(generation, { fence, record }, ttlMs);
    return record;
  }

  async keep(
    generation: string,
    { fence, node, incarnation }: Pick<GenerationRecord, "node" | "incarnation"> & { readonly fence: string },
    ttlMs: number,
  ): Promise<Keep> {
    await this.records.reach();
    const entry = this.records.find(generation);
    if (entry === undefined) return { kind: "unknown" };
    if (entry.fence !== fence) return { kind: "taken" };
    this.records.put(generation, { fence, record: { ...entry.record, node, incarnation } }, ttlMs);
    return { kind: "kept" };
  }
}
