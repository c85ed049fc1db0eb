/** Writes protobuf's wire format into a buffer whose size is known to suffice. Pure. */
import { assert } from "../../core/errors.ts";

/** A length or a tag takes at most this. */
const LENGTH_BYTES_MAX = 5;

/** The most that a string takes with its tag and length. */
export const stringBytesMax = (text: string): number => 3 * text.length + 2 * LENGTH_BYTES_MAX;
/** The most that a number takes with its tag. */
export const NUMBER_BYTES_MAX = 15;

export class WireWriter {
  readonly #buffer: Buffer;
  #offset = 0;

  /** @param bytesMax no less than what will be written */
  constructor(bytesMax: number) {
    this.#buffer = Buffer.allocUnsafe(bytesMax);
  }

  /** Unsigned, exact up to 2^53. */
  varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#buffer[this.#offset++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#offset++] = rest;
  }

  /** Signed. */
  int64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    while (rest > 127n) {
      this.#buffer[this.#offset++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#buffer[this.#offset++] = Number(rest);
  }

  double(value: number): void {
    this.#offset = this.#buffer.writeDoubleLE(value, this.#offset);
  }

  /** With its length. */
  string(text: string): void {
    const nested = this.begin();
    this.#offset += this.#buffer.write(text, this.#offset);
    this.end(nested);
  }

  bytes(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#offset);
    this.#offset += bytes.byteLength;
  }

  /** Begins something that its length stands before. @returns what `end` wants */
  begin(): number {
    return this.#offset++;
  }

  /** Most are shorter than 128 bytes: the length is one byte, and what is longer moves. */
  end(begun: number): void {
    const length = this.#offset - begun - 1;
    if (length < 128) {
      this.#buffer[begun] = length;
      return;
    }
    let size = 1;
    for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) size++;
    this.#buffer.copyWithin(begun + size, begun + 1, this.#offset);
    this.#offset = begun;
    this.varint(length);
    this.#offset = begun + size + length;
  }

  /** What was written since the last call. */
  take(): Buffer {
    assert(this.#offset <= this.#buffer.byteLength, "a message is larger than it was thought to be");
    return this.#buffer.subarray(0, this.#offset);
  }

  get byteLength(): number {
    return this.#offset;
  }
}
