/** Bytes that arrived in pieces, read front to back without a copy. Pure. */

export class PieceReader {
  readonly #pieces: readonly Uint8Array<ArrayBufferLike>[];
  #piece = 0;
  #offset = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  /** Plain views (no Buffers) of the next bytes, one after another; fewer where there are not so many. */
  take(bytes: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    for (let left = bytes; left > 0; ) {
      const piece = this.#pieces[this.#piece];
      if (piece === undefined) break;
      const count = Math.min(left, piece.byteLength - this.#offset);
      if (count > 0) views.push(new Uint8Array(piece.buffer, piece.byteOffset + this.#offset, count));
      this.#offset += count;
      left -= count;
      if (this.#offset < piece.byteLength) break;
      this.#piece++;
      this.#offset = 0;
    }
    return views;
  }
}
