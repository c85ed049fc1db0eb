/**
 * What API keys have used, of all gateways together: counters that only add up, for each key and day. Adapters: `memory.ts` and
 * `redis.ts`; both pass test/contract/quota-store.ts.
 */

export interface KeyUsage {
  readonly requests: number;
  /** Below 0 when what was taken before is given back. */
  readonly tokens: number;
}

export interface QuotaStore {
  /**
   * Adds what was used, and answers with what all have used on that day, key by key, after it.
   * @param day days since 1970, UTC; a day is forgotten when it has been over for a day
   * @throws ServingError UNAVAILABLE when the store cannot be reached or does not answer in time; then it may have been added
   */
  exchange(day: number, used: ReadonlyMap<string, KeyUsage>): Promise<ReadonlyMap<string, KeyUsage>>;
}
