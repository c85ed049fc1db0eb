/** Answers kept for requests that come again, bounded by bytes and age; the longest unused go first. One for all models of a node. Pure. */
import type { Tensor } from "../../core/tensor/tensor.ts";

export interface CacheCounters {
  readonly lookups: number;
  readonly hits: number;
  readonly misses: number;
  readonly insertions: number;
  readonly evictions: number;
  readonly entries: number;
  readonly bytes: number;
  readonly bytesMax: number;
}

interface Entry {
  readonly scope: string;
  readonly outputs: readonly Tensor[];
  readonly bytes: number;
  readonly keptAtMs: number;
}

/** What an entry costs beside its tensors' bytes: keys, heads and the map's own, roughly. */
const ENTRY_BYTES = 512;
const TENSOR_BYTES = 256;

export class ResponseCache {
  readonly #bytesMax: number;
  readonly #ageMsMax: number;
  /** The longest unused first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #insertions = 0;
  #evictions = 0;

  /** @param ageMsMax an answer is given for so long; its bytes stay until it is asked for again or others need the room */
  constructor(bytesMax: number, ageMsMax = Number.POSITIVE_INFINITY) {
    this.#bytesMax = bytesMax;
    this.#ageMsMax = ageMsMax;
  }

  get counters(): CacheCounters {
    return {
      lookups: this.#hits + this.#misses,
      hits: this.#hits,
      misses: this.#misses,
      insertions: this.#insertions,
      evictions: this.#evictions,
      entries: this.#entries.size,
      bytes: this.#bytes,
      bytesMax: this.#bytesMax,
    };
  }

  find(key: string, nowMs: number): readonly Tensor[] | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || nowMs - entry.keptAtMs >= this.#ageMsMax) {
      this.#remove(key);
      this.#misses += 1;
      return undefined;
    }
    this.#hits += 1;
    this.#entries.delete(key); // and back to the end: it is the most recently used now
    this.#entries.set(key, entry);
    return entry.outputs;
  }

  /**
   * Keeps copies: views would keep the whole batch that they came with.
   * @param scope what `drop` names
   * @returns false: larger than the whole cache
   */
  insert(scope: string, key: string, outputs: readonly Tensor[], nowMs: number): boolean {
    const bytes = outputs.reduce((sum, { data }) => sum + TENSOR_BYTES + data.byteLength, ENTRY_BYTES);
    if (bytes > this.#bytesMax) return false;
    this.#remove(key);
    for (const [oldest] of this.#entries) {
      if (this.#bytes + bytes <= this.#bytesMax) break;
      this.#remove(oldest);
      this.#evictions += 1;
    }
    const kept = outputs.map((output) => ({ ...output, data: new Uint8Array(output.data) }));
    this.#entries.set(key, { scope, outputs: kept, bytes, keptAtMs: nowMs });
    this.#bytes += bytes;
    this.#insertions += 1;
    return true;
  }

  /** The version was unloaded or loaded again: nobody asks for its answers any more. */
  drop(scope: string): void {
    for (const [key, entry] of this.#entries) if (entry.scope === scope) this.#remove(key);
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
