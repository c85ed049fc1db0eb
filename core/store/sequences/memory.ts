/** Sequences in this process's memory: for a cluster in one process, and for tests, which can take it away and empty it. */
import type { Clock } from "../../clock.ts";
import { FencedRecords } from "../fenced-records.ts";
import type { Commit, SequenceOwnership, SequenceRecord, SequenceStore, StoredStep, TakeOver } from "./sequence-store.ts";

const NOTHING = new Uint8Array();
export class MemorySequenceStore implements SequenceStore {
  /** What it holds; tests take it away and empty it. */
  readonly records: FencedRecords<SequenceRecord>;

  constructor(clock: Clock) {
    this.records = new FencedRecords(clock, "the store of sequences");
  }

  async begin(key: string, { owner, fence, start }: SequenceOwnership & { readonly start: string }, ttlMs: number): Promise<void> {
    await this.records.reach();
    this.records.put(key, { fence, record: { owner, start, steps: 0, token: "", ended: false, states: NOTHING, answer: NOTHING } }, ttlMs);
  }

  async takeOver(key: string, by: SequenceOwnership & { readonly from: string }, ttlMs: number): Promise<TakeOver> {
    await this.records.reach();
    const entry = this.records.find(key);
    if (entry === undefined) return { kind: "unknown" };
    const { record } = entry;
    if (record.ended) return { kind: "ended", record };
    if (record.owner !== by.owner && record.owner !== by.from) return { kind: "owned", owner: record.owner };
    this.records.put(key, { fence: by.fence, record: { ...record, owner: by.owner } }, ttlMs);
    return { kind: "taken", record };
  }

  async commit(
    key: string,
    { fence, after }: { readonly fence: string; readonly after: number },
    step: StoredStep,
    ttlMs: number,
  ): Promise<Commit> {
    const copy = { ...step, states: step.states.slice(), answer: step.answer.slice() };
    await this.records.reach();
    const entry = this.records.find(key);
    if (entry === undefined) return { kind: "unknown" };
    const { record } = entry;
    if (entry.fence !== fence) return { kind: "moved", owner: record.owner };
    if (record.steps !== after && record.steps !== step.steps) return { kind: "unknown" };
    this.records.put(key, { fence, record: { ...copy, owner: record.owner, start: record.start } }, ttlMs);
    return { kind: "committed" };
  }

  async forget(key: string, fence: string): Promise<void> {
    await this.records.reach();
    if (this.records.find(key)?.fence === fence) this.records.delete(key);
  }
}
