/** Memory of one input or output, shared by all shapes: one batch runs at a time. Pure. */

export class PortMemory {
  #bytes = new Uint8Array();

  /** @returns true: there is other memory now, and views of the old one keep that alive */
  fit(byteLength: number): boolean {
    if (byteLength <= this.#bytes.byteLength) return false;
    this.#bytes = new Uint8Array(Math.max(byteLength, Math.min(2 * this.#bytes.byteLength, byteLength + GROWTH_BYTES_MAX)));
    return true;
  }

  /** The first bytes; they must fit. */
  view(byteLength: number): Uint8Array {
    return this.#bytes.subarray(0, byteLength);
  }
}

/** Room is doubled, but never by more than this. */
const GROWTH_BYTES_MAX = 64 * 2 ** 20;
