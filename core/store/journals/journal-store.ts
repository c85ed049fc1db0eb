/**
 * What running resumable generations came to, where somebody has asked for it: entries that leads append and gateways read when a
 * generation's lead and its gateway are both gone. The store sees sealed bytes (`journal-seal.ts`). Who appends holds a fence, so that a
 * lead that was replaced writes nothing any more. Adapters: `memory.ts` and `redis.ts`; both pass test/contract/journal-store.ts.
 */

/** Of a generation's entries together: what there is suffices to go on from, so nothing more is taken. */
export const JOURNAL_BYTES_MAX = 4 * 1024 * 1024;

export interface JournalEntry {
  readonly fence: string;
  /** How many entries there are before. The first one begins the journal anew, whoever wrote one before; a repeated one counts once. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

export type Append =
  | { readonly kind: "kept" }
  /** Another lead writes it now. */
  | { readonly kind: "taken" }
  /** It is not there, or ends elsewhere: it has to be begun anew. */
  | { readonly kind: "unknown" }
  /** It would be larger than JOURNAL_BYTES_MAX, and stays as it is. */
  | { readonly kind: "full" };

export interface Journal {
  readonly fence: string;
  readonly entries: readonly Uint8Array[];
}

/** @throws ServingError UNAVAILABLE when the store cannot be reached or does not answer in time; then it may have been done. */
export interface JournalStore {
  append(generation: string, entry: JournalEntry, ttlMs: number): Promise<Append>;
  /** undefined: there is none. */
  read(generation: string): Promise<Journal | undefined>;
  /** Another one's stays. */
  forget(generation: string, fence: string): Promise<void>;
}
