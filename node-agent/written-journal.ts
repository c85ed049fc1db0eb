/** One generation's journal as its lead writes it: what is new, sealed, entry by entry. */

import { headEntry, tokensEntry } from "../core/messages/journal-entries.ts";
import type { Random } from "../core/random.ts";
import type { JournalKeys } from "../core/store/journals/journal-seal.ts";
import type { JournalStore } from "../core/store/journals/journal-store.ts";
import { KEPT_MS, type KeptGeneration } from "./kept-generation.ts";

/** As its record in the store: longer than anything waits for its next token. */
const JOURNAL_MS = 15 * 60_000;

export interface WrittenJournalDeps {
  readonly store: JournalStore;
  readonly keys: JournalKeys;
  readonly random: Random;
}

/** An entry that the store may or may not have: sent again as it is, since its number seals one content. */
interface Entry {
  readonly sealed: Uint8Array;
  /** Tokens that are written then. */
  readonly tokens: number;
  readonly isLast: boolean;
}

export class WrittenJournal {
  readonly #kept: KeptGeneration;
  readonly #deps: WrittenJournalDeps;
  #fence: string;
  /** Entries that the store has. */
  #at = 0;
  #tokens = 0;
  #entry: Entry | undefined;
  #writing: Promise<void> | undefined;
  #over = false;

  constructor(kept: KeptGeneration, deps: WrittenJournalDeps) {
    this.#kept = kept;
    this.#deps = deps;
    this.#fence = deps.random.id();
  }

  /** Nothing is written any more. */
  get over(): boolean {
    return this.#over;
  }

  /** At most one entry; nothing while one is under way. @returns whether the store answered @throws ServingError UNAVAILABLE: to be called again */
  async write(): Promise<boolean> {
    if (this.#over || this.#writing !== undefined) return false;
    this.#entry ??= this.#next();
    if (this.#entry === undefined) return false;
    this.#writing = this.#append(this.#entry);
    try {
      await this.#writing;
      return true;
    } finally {
      this.#writing = undefined;
    }
  }

  /** The generation is not kept any more. @throws ServingError UNAVAILABLE: then the entries expire */
  async forget(): Promise<boolean> {
    this.#over = true;
    await this.#writing?.catch(() => {}); // told to who writes
    await this.#deps.store.forget(this.#kept.submit.generation, this.#fence);
    return true;
  }

  #next(): Entry | undefined {
    if (this.#at === 0) return { sealed: this.#seal(headEntry(this.#kept.submit)), tokens: 0, isLast: false };
    const tokens = this.#kept.tokensFrom(this.#tokens);
    const isLast = this.#kept.over;
    if (tokens.length === 0 && !isLast) return undefined;
    return { sealed: this.#seal(tokensEntry(tokens)), tokens: this.#tokens + tokens.length, isLast };
  }

  #seal(content: Uint8Array): Uint8Array {
    return this.#deps.keys.seal({ generation: this.#kept.submit.generation, fence: this.#fence }, this.#at, content);
  }

  async #append({ sealed, tokens, isLast }: Entry): Promise<void> {
    const entry = { fence: this.#fence, at: this.#at, bytes: sealed };
    const { kind } = await this.#deps.store.append(this.#kept.submit.generation, entry, isLast ? KEPT_MS : JOURNAL_MS);
    this.#entry = undefined;
    switch (kind) {
      case "kept":
        this.#at += 1;
        this.#tokens = tokens;
        this.#over ||= isLast;
        break;
      case "unknown": // the store was emptied: all of it again
        this.#fence = this.#deps.random.id();
        this.#at = 0;
        this.#tokens = 0;
        break;
      case "taken":
      case "full": // what there is suffices: the rest would be computed again
        this.#over = true;
        break;
    }
  }
}
