/** A body that is read front to back, in the pieces in which it arrived. Pure. */
import { joinedBytes } from "../../../core/bytes/joined-bytes.ts";
import { PieceReader } from "../../../core/bytes/piece-reader.ts";
import type { Body } from "../../http/body.ts";

export class BodyBytes {
  readonly #reader: PieceReader;
  /** Bytes that are left. */
  left: number;

  constructor({ segments, byteLength }: Body) {
    this.#reader = new PieceReader(segments);
    this.left = byteLength;
  }

  /** The next bytes in one piece: a view where they lie in one, as they do in all but large bodies; else a copy. @param bytes at most `left` */
  take(bytes: number): Uint8Array {
    return joinedBytes(this.takePieces(bytes), bytes);
  }

  /** Views of the next bytes. @param bytes at most `left` */
  takePieces(bytes: number): readonly Uint8Array[] {
    this.left -= bytes;
    return this.#reader.take(bytes);
  }
}
