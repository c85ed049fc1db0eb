/** The resumable generations that this node leads or has led a moment ago, within bounds of number and bytes. */
import type { Clock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { GenerationSubmit } from "../core/messages/generation.ts";
import { DeadlineTimer } from "./engines/deadline-timer.ts";
import type { GenerationJournal } from "./generation-journal.ts";
import { KeptGeneration } from "./kept-generation.ts";

export interface KeepLimits {
  readonly generations: number;
  /** Of prompts and of all tokens that they may still come to. */
  readonly bytes: number;
}

export const KEEP_LIMITS: KeepLimits = { generations: 1_000, bytes: 128 * 1024 * 1024 };

/** A token in memory, and each of the most likely ones beside it. */
const TOKEN_BYTES = 96;
const TOP_BYTES = 72;

interface Entry {
  readonly kept: KeptGeneration;
  readonly bytes: number;
}

export class KeptGenerations implements Disposable {
  readonly #limits: KeepLimits;
  readonly #clock: Clock;
  readonly #deadlines: DeadlineTimer;
  readonly #journal: GenerationJournal | undefined;
  /** By id, in the order in which they began. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** @param journal has a copy of those that are to outlive this process; undefined: none do */
  constructor(limits: KeepLimits, clock: Clock, journal?: GenerationJournal) {
    this.#limits = limits;
    this.#clock = clock;
    this.#journal = journal;
    this.#deadlines = new DeadlineTimer(clock, () => this.#expire());
  }

  /** Those that run while nobody reads them. */
  get detached(): number {
    return this.#entries.values().reduce((sum, { kept }) => sum + (!kept.over && kept.expiresMs !== undefined ? 1 : 0), 0);
  }

  get count(): number {
    return this.#entries.size;
  }

  /** What has ended makes room. @throws ServingError RESOURCE_EXHAUSTED when what runs leaves none */
  keep(submit: GenerationSubmit, { journaled = false }: { readonly journaled?: boolean } = {}): KeptGeneration {
    this.forget(submit.generation);
    const bytes = bytesOf(submit);
    const { generations, bytes: bytesMax } = this.#limits;
    const full = () => this.#entries.size >= generations || this.#bytes + bytes > bytesMax;
    for (const [id, { kept }] of this.#entries) if (full() && kept.over) this.forget(id);
    if (full()) {
      const message = `${this.#entries.size} resumable generations of at most ${generations}, with ${this.#bytes} bytes of at most ${bytesMax}, leave no room for ${bytes} more: raise --resumable-generations and --resumable-bytes, or ask for fewer tokens`;
      throw new ServingError("RESOURCE_EXHAUSTED", message, { reason: "resumable_full" });
    }
    const kept = new KeptGeneration(submit, this.#clock, (expiresMs) => this.#deadlines.await(expiresMs));
    this.#entries.set(submit.generation, { kept, bytes });
    this.#bytes += bytes;
    if (journaled) this.#journal?.begin(kept);
    return kept;
  }

  /** undefined also for another tenant's. */
  find(generation: string, tenant: string): KeptGeneration | undefined {
    const kept = this.#entries.get(generation)?.kept;
    return kept?.submit.tenant === tenant ? kept : undefined;
  }

  forget(generation: string): void {
    const entry = this.#entries.get(generation);
    if (entry === undefined) return;
    this.#entries.delete(generation);
    this.#bytes -= entry.bytes;
    entry.kept.drop();
    this.#journal?.forget(entry.kept);
  }

  [Symbol.dispose](): void {
    this.#deadlines.stop();
    this.#journal?.[Symbol.dispose]();
  }

  #expire(): void {
    const nowMs = this.#clock.now();
    for (const [id, { kept }] of this.#entries) {
      if (kept.expiresMs === undefined) continue;
      if (kept.expiresMs <= nowMs) this.forget(id);
      else this.#deadlines.await(kept.expiresMs);
    }
  }
}

function bytesOf({ promptIds, choices, tokensMax, sampling, resumable = "" }: GenerationSubmit): number {
  const tokenBytes = TOKEN_BYTES + (sampling.topLogprobs ?? 0) * TOP_BYTES;
  return promptIds.byteLength + 2 * resumable.length + choices * tokensMax * tokenBytes;
}
