/** Reads protobuf's wire format from bytes that nobody has checked. Source: protobuf.dev/programming-guides/encoding. Pure. */
import { ServingError } from "../../core/errors.ts";

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

const VARINT_BYTES_MAX = 10;

/** A cursor over one message and, between `enter` and `leave`, over messages inside it. Bytes are views, not copies. */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #offset = 0;
  #end: number;
  /** Of the last varint: its 32 lower and upper bits, unsigned. */
  low = 0;
  high = 0;

  /** @param what the message's name, for errors */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
    this.#end = bytes.byteLength;
  }

  /** Whether a field of the current message is left. */
  get more(): boolean {
    return this.#offset < this.#end;
  }

  /** Begins a message that is a field. @returns what `leave` wants */
  enter(): number {
    const length = this.#length();
    const outer = this.#end;
    this.#end = this.#offset + length;
    return outer;
  }

  leave(outer: number): void {
    this.#end = outer;
  }

  /** A field's number and type: `number << 3 | type`. */
  tag(): number {
    this.varint();
    if (this.high !== 0) throw this.malformed();
    return this.low;
  }

  /** Leaves its bits in `low` and `high`. */
  varint(): void {
    const bytes = this.#bytes;
    const first = this.#offset < this.#end ? (bytes[this.#offset] ?? 0) : 0x80;
    if (first < 0x80) {
      this.#offset++;
      this.low = first;
      this.high = 0;
      return;
    }
    this.#longVarint();
  }

  /** A signed 64-bit integer; beyond 2^53 the nearest double. */
  int64AsNumber(): number {
    this.varint();
    return (this.high | 0) * 2 ** 32 + this.low;
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  uint64(): bigint {
    this.varint();
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  boolean(): boolean {
    this.varint();
    return this.low !== 0 || this.high !== 0;
  }

  double(): number {
    const offset = this.#take(8);
    return this.#bytes.readDoubleLE(offset);
  }

  /** Copies a number of fixed size as it is: little-endian. */
  fixed(into: DataView, at: number, bytes: 4 | 8): void {
    const offset = this.#take(bytes);
    into.setUint32(at, this.#bytes.readUInt32LE(offset), true);
    if (bytes === 8) into.setUint32(at + 4, this.#bytes.readUInt32LE(offset + 4), true);
  }

  string(): string {
    const length = this.#length();
    const offset = this.#take(length);
    return this.#bytes.toString("utf8", offset, offset + length);
  }

  /** A view; no Buffer, whose `slice` copies nothing. */
  bytes(): Uint8Array {
    const length = this.#length();
    const offset = this.#take(length);
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + offset, length);
  }

  /** Passes over a field that has no meaning here. */
  skip(tag: number): void {
    switch (tag & 7) {
      case WIRE_VARINT:
        this.varint();
        break;
      case WIRE_FIXED64:
        this.#take(8);
        break;
      case WIRE_BYTES:
        this.#take(this.#length());
        break;
      case WIRE_FIXED32:
        this.#take(4);
        break;
      default:
        throw this.malformed(); // groups, which proto3 does not have
    }
  }

  malformed(): ServingError {
    return new ServingError("INVALID_ARGUMENT", `the message is no ${this.#what}: it is malformed at byte ${this.#offset}`);
  }

  #longVarint(): void {
    let low = 0;
    let high = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      if (this.#offset >= this.#end) throw this.malformed();
      const byte = this.#bytes[this.#offset++] ?? 0;
      const bits = byte & 0x7f;
      const shift = index * 7;
      if (shift < 32) low |= bits << shift;
      if (shift + 7 > 32) high |= shift < 32 ? bits >>> (32 - shift) : bits << (shift - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw this.malformed();
  }

  #length(): number {
    this.varint();
    if (this.high !== 0) throw this.malformed();
    if (this.low > this.#end - this.#offset) throw this.malformed();
    return this.low;
  }

  #take(count: number): number {
    const offset = this.#offset;
    if (count > this.#end - offset) throw this.malformed();
    this.#offset = offset + count;
    return offset;
  }
}
