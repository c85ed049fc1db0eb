/** Little-endian bytes, written into a buffer that grows and read with every bound checked. Pure. */
import { ServingError } from "../errors.ts";

/** Collects bytes; one writer may serve many messages. */
export class ByteWriter {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  reset(): this {
    this.#length = 0;
    return this;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#room(8);
    this.#view.setBigUint64(at, value, true);
    return this;
  }

  f64(value: number): this {
    const at = this.#room(8);
    this.#view.setFloat64(at, value, true);
    return this;
  }

  /** Their count, then the values. */
  i32s(values: Int32Array): this {
    this.u32(values.length);
    const start = this.#room(values.length * 4);
    for (let at = 0; at < values.length; at++) this.#view.setInt32(start + at * 4, values[at] ?? 0, true);
    return this;
  }

  raw(values: Uint8Array): this {
    const start = this.#room(values.length);
    this.#bytes.set(values, start);
    return this;
  }

  /** A copy of what was written since the last reset. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Where the next `count` bytes go. May replace the buffer and its view: they are read afterwards. */
  #room(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return start;
  }
}

/** Walks over bytes that someone else wrote. Every method throws ServingError INVALID_ARGUMENT when the bytes end early. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #at = 0;

  /** @param what names the message in errors, such as `step` */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  u8(): number {
    return this.#view.getUint8(this.#step(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#step(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#step(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#step(8), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#step(8), true);
  }

  i32s(): Int32Array {
    const count = this.u32();
    const start = this.#step(count * 4);
    const values = new Int32Array(count);
    for (let at = 0; at < count; at++) values[at] = this.#view.getInt32(start + at * 4, true);
    return values;
  }

  /** A view of the next `count` bytes, not a copy. */
  raw(count: number): Uint8Array {
    const start = this.#step(count);
    return this.#bytes.subarray(start, start + count);
  }

  /** A count that was read, refused unless so many items of `itemBytes` at least can still follow: no allocation on a lie. */
  count(value: number, itemBytes: number): number {
    if (value * itemBytes > this.#bytes.length - this.#at) this.fail(`announces ${value} items and ends before them`);
    return value;
  }

  rest(): Uint8Array {
    return this.raw(this.#bytes.length - this.#at);
  }

  /** @throws ServingError INVALID_ARGUMENT when bytes are left. */
  end(): void {
    if (this.#at !== this.#bytes.length) this.fail(`has ${this.#bytes.length - this.#at} bytes too many`);
  }

  fail(why: string): never {
    throw new ServingError("INVALID_ARGUMENT", `${this.#what} ${why}`, { reason: "bad_frame" });
  }

  #step(count: number): number {
    const start = this.#at;
    if (start + count > this.#bytes.length) this.fail(`ends after ${this.#bytes.length} bytes, ${start + count} are needed`);
    this.#at = start + count;
    return start;
  }
}
