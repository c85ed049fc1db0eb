/** A body that is read front to back, in the pieces in which it arrived. Pure. */
import { pooledBytes } from "../../core/bytes/pooled-bytes.ts";
import type { Body } from "../http/body.ts";

/** Takes the next bytes: a view where they lie in one piece, as they do in all but large bodies; else a copy. */
export class BodyBytes {
  readonly #segments: Body["segments"];
  #segment = 0;
  #offset = 0;
  /** Bytes that are left. */
  left: number;

  constructor({ segments, byteLength }: Body) {
    this.#segments = segments;
    this.left = byteLength;
  }

  /** @param bytes at most `left` */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const first = this.#segments[this.#segment];
    if (first !== undefined && this.#offset + bytes <= first.byteLength) {
      const start = this.#offset;
      this.#pass(bytes, first);
      return first.subarray(start, start + bytes);
    }
    const joined = pooledBytes(bytes);
    for (let filled = 0; filled < bytes; ) {
      const segment = this.#segments[this.#segment] ?? new Uint8Array();
      const part = segment.subarray(this.#offset, this.#offset + bytes - filled);
      joined.set(part, filled);
      filled += part.byteLength;
      this.#pass(part.byteLength, segment);
    }
    return joined;
  }

  #pass(bytes: number, segment: Uint8Array): void {
    this.#offset += bytes;
    this.left -= bytes;
    if (this.#offset < segment.byteLength) return;
    this.#segment++;
    this.#offset = 0;
  }
}
