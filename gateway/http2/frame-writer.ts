/** Makes the bytes of frames: small things are copied one behind the other into a slab, large ones stay where they are. Pure. */
import { Buffer } from "node:buffer";
import { HEAD_BYTES } from "./wire-format.ts";

const SLAB_BYTES = 16 * 1024;
/** Up to this size copying is cheaper than another piece to write. */
export const COPIED_BYTES_MAX = 8 * 1024;

export class FrameWriter {
  /** Written to once, from front to back: what has left may still lie in the kernel's way. */
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #start = 0;
  #at = 0;
  #pieces: Uint8Array[] = [];
  #byteLength = 0;

  /** What has not been taken. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** The head of a frame, and nothing of what it carries. */
  head(stream: number, { type, flags, length }: { readonly type: number; readonly flags: number; readonly length: number }): void {
    const slab = this.#room(HEAD_BYTES);
    const at = this.#at;
    slab[at] = length >>> 16;
    slab[at + 1] = length >>> 8;
    slab[at + 2] = length;
    slab[at + 3] = type;
    slab[at + 4] = flags;
    this.#at = slab.writeUInt32BE(stream, at + 5);
    this.#byteLength += HEAD_BYTES;
  }

  byte(value: number): void {
    this.#room(1)[this.#at++] = value;
    this.#byteLength += 1;
  }

  uint32(value: number): void {
    this.#at = this.#room(4).writeUInt32BE(value, this.#at);
    this.#byteLength += 4;
  }

  /** They must stay as they are until they have left, when they are many. */
  bytes(bytes: Uint8Array): void {
    this.#byteLength += bytes.byteLength;
    if (bytes.byteLength > COPIED_BYTES_MAX) {
      this.#cut();
      this.#pieces.push(bytes);
      return;
    }
    this.#room(bytes.byteLength).set(bytes, this.#at);
    this.#at += bytes.byteLength;
  }

  /** All that was written since it was taken last. */
  take(): readonly Uint8Array[] {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#byteLength = 0;
    return pieces;
  }

  #room(bytes: number): Buffer {
    if (this.#at + bytes > SLAB_BYTES) {
      this.#cut();
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#start = this.#at = 0;
    }
    return this.#slab;
  }

  #cut(): void {
    if (this.#at > this.#start) this.#pieces.push(this.#slab.subarray(this.#start, this.#at));
    this.#start = this.#at;
  }
}
