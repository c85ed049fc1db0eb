/**
 * Sequences in the store: who owns each, and what another node needs to go on with it. Every operation is one transition. An owner
 * takes a fence along that nobody else has, compared for equality: one that was taken over from, or whose record was lost with the
 * store, is told so at its next step. Adapters: `memory.ts` and `redis.ts`; both pass test/contract/sequence-store.ts.
 */

/** What a step leaves behind. Bytes are the store's to keep and its callers' to read. */
export interface StoredStep {
  /** Steps that were applied since the start; 0: it has only begun. */
  readonly steps: number;
  /** The last step's token; empty before the first. */
  readonly token: string;
  /** It was the sequence's end. */
  readonly ended: boolean;
  readonly states: Uint8Array;
  /** The last step's answer. */
  readonly answer: Uint8Array;
}

export interface SequenceRecord extends StoredStep {
  readonly owner: string;
  /** The token of the start. */
  readonly start: string;
}

export interface SequenceOwnership {
  readonly owner: string;
  /** New for each time that somebody becomes the owner. */
  readonly fence: string;
}

export type TakeOver =
  | { readonly kind: "taken"; readonly record: SequenceRecord }
  /** It is another one's, and stays so. */
  | { readonly kind: "owned"; readonly owner: string }
  /** It is over: the record is there for those who ask again. */
  | { readonly kind: "ended"; readonly record: SequenceRecord }
  | { readonly kind: "unknown" };

export type Commit =
  | { readonly kind: "committed" }
  | { readonly kind: "moved"; readonly owner: string }
  /** The store has no such record, or an older one: it was emptied or set back. */
  | { readonly kind: "unknown" };

/** @throws ServingError UNAVAILABLE when the store cannot be reached or does not answer in time; then it may have been done. */
export interface SequenceStore {
  /** A sequence begins; whatever was known of its key before is over. */
  begin(key: string, by: SequenceOwnership & { readonly start: string }, ttlMs: number): Promise<void>;
  /** @param by `from`: the owner from whom it may be taken, besides the caller itself; empty: nobody */
  takeOver(key: string, by: SequenceOwnership & { readonly from: string }, ttlMs: number): Promise<TakeOver>;
  /** @param by `after`: the steps of the commit before. The same step may be committed again. */
  commit(key: string, by: { readonly fence: string; readonly after: number }, step: StoredStep, ttlMs: number): Promise<Commit>;
  /** The sequence is over without an end. Somebody else's stays. */
  forget(key: string, fence: string): Promise<void>;
}
