/**
 * Where resumable generations run: one record each, by which any gateway finds the lead that has the tokens. No text, no ids, nothing
 * per token. Who writes a generation's stream holds a fence that nobody else has, compared for equality: one that another gateway
 * has taken over from finds out when it wants to go on elsewhere. Adapters: `memory.ts` and `redis.ts`; both pass
 * test/contract/generation-store.ts.
 */

export interface GenerationRecord {
  /** To others the generation does not exist. */
  readonly tenant: string;
  readonly model: string;
  /** The agent that runs or keeps it, and that agent's incarnation. */
  readonly node: string;
  readonly incarnation: string;
}

export type Keep =
  | { readonly kind: "kept" }
  /** Another gateway writes its stream now. */
  | { readonly kind: "taken" }
  /** It has expired, or the store was emptied. */
  | { readonly kind: "unknown" };

/** @throws ServingError UNAVAILABLE when the store cannot be reached or does not answer in time; then it may have been done. */
export interface GenerationStore {
  begin(generation: string, record: GenerationRecord & { readonly fence: string }, ttlMs: number): Promise<void>;
  /** Makes the caller the one that writes the stream. @returns undefined: there is none, or it is another tenant's */
  take(generation: string, by: { readonly tenant: string; readonly fence: string }, ttlMs: number): Promise<GenerationRecord | undefined>;
  /** The generation runs there from now on, for another term. */
  keep(generation: string, at: Pick<GenerationRecord, "node" | "incarnation"> & { readonly fence: string }, ttlMs: number): Promise<Keep>;
}
