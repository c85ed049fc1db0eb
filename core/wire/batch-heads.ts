/** Heads of batches as the runner reads them: with the bytes of the one before, a head is that batch again, the same object. Pure. */
import type { ModelSignature } from "./model-runner.ts";
import { type AnnouncedBatch, decodeBatch } from "./model-wire-batch.ts";

export class BatchHeads {
  readonly #signature: ModelSignature;
  #latest: { readonly head: Uint8Array; readonly batch: AnnouncedBatch } | undefined;

  constructor(signature: ModelSignature) {
    this.#signature = signature;
  }

  /** @param head stays the caller's @throws ServingError as `decodeBatch` */
  read(head: Uint8Array): AnnouncedBatch {
    if (this.#latest !== undefined && isSame(head, this.#latest.head)) return this.#latest.batch;
    const batch = decodeBatch(head, this.#signature);
    this.#latest = { head: head.slice(), batch };
    return batch;
  }
}

/** Some dozen bytes: a call of the run-time's comparison would take longer. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.byteLength !== other.byteLength) return false;
  for (let at = 0; at < one.byteLength; at++) if (one[at] !== other[at]) return false;
  return true;
}
