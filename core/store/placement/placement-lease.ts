/**
 * Who does the cluster's placement: one holder at a time, until its time is over by the store's clock. Each new holder has a higher
 * fence, which travels with its commands, so that what a paused holder sends late is dropped. Adapters: `memory.ts`, `redis.ts`; both
 * pass `test/contract/placement-lease.ts`.
 */

export interface LeaseClaim {
  /** Differs for every process. */
  readonly holder: string;
  readonly ttlMs: number;
  /** The highest fence that anybody was heard to know: a store that was emptied counts on from there. */
  readonly fenceMin: number;
}

export type LeaseAnswer =
  /** For `ttlMs` from the moment in which it was asked. */
  { readonly kind: "held"; readonly fence: number } | { readonly kind: "taken"; readonly leftMs: number };

export interface PlacementLease {
  /**
   * Takes the lease if nobody has it, and keeps it if it is ours. A holder that is answered another fence than before has lost the
   * lease meanwhile. @throws ServingError UNAVAILABLE
   */
  hold(claim: LeaseClaim): Promise<LeaseAnswer>;
  /** Lets others take it at once; nothing when another holder or a later fence has it. @throws ServingError UNAVAILABLE */
  release(holder: string, fence: number): Promise<void>;
}

/** Of a gateway that never places: somebody else always has it. */
export const OTHERS_PLACE: PlacementLease = {
  hold: async ({ ttlMs }) => ({ kind: "taken", leftMs: ttlMs }),
  release: async () => {},
};
