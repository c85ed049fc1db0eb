/** Journals of generations in this process's memory: for tests and simulations. */
import type { Clock } from "../../clock.ts";
import { FencedRecords } from "../fenced-records.ts";
import { type Append, JOURNAL_BYTES_MAX, type Journal, type JournalEntry, type JournalStore } from "./journal-store.ts";

export class MemoryJournalStore implements JournalStore {
  /** What it holds; tests take it away and empty it. */
  readonly records: FencedRecords<readonly Uint8Array[]>;

  constructor(clock: Clock) {
    this.records = new FencedRecords(clock, "the store of journals");
  }

  async append(generation: string, { fence, at, bytes }: JournalEntry, ttlMs: number): Promise<Append> {
    await this.records.reach();
    const before = at === 0 ? { fence, record: [] } : this.records.find(generation);
    if (before === undefined) return { kind: "unknown" };
    if (before.fence !== fence) return { kind: "taken" };
    const { record } = before;
    if (record.length !== at && record.length !== at + 1) return { kind: "unknown" };
    const entries = record.length === at ? [...record, bytes.slice()] : record;
    if (entries.reduce((sum, { byteLength }) => sum + byteLength, 0) > JOURNAL_BYTES_MAX) return { kind: "full" };
    this.records.put(generation, { fence, record: entries }, ttlMs);
    return { kind: "kept" };
  }

  async read(generation: string): Promise<Journal | undefined> {
    await this.records.reach();
    const found = this.records.find(generation);
    return found && { fence: found.fence, entries: found.record };
  }

  async forget(generation: string, fence: string): Promise<void> {
    await this.records.reach();
    if (this.records.find(generation)?.fence === fence) this.records.delete(generation);
  }
}
