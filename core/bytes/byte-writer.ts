/** Writes binary messages: little-endian, growing as needed. Pure. */
import { pooledBytes, viewOf } from "./pooled-bytes.ts";

const encoder = new TextEncoder();
/** Longer texts are encoded by the run-time; for those up to here the call would take longer than the work. */
const SHORT_TEXT = 64;

/** Collects bytes; one writer may serve many messages. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  /** @param capacity bytes expected; more only cost a copy */
  constructor(capacity = 1024) {
    this.#bytes = pooledBytes(capacity);
    this.#view = viewOf(this.#bytes);
  }

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

  i32(value: number): this {
    const at = this.#room(4);
    this.#view.setInt32(at, value, true);
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

  /** UTF-8 after its length in bytes as u32. */
  text(value: string): this {
    if (value.length <= SHORT_TEXT && this.#ascii(value)) return this;
    const bytes = encoder.encode(value);
    return this.u32(bytes.byteLength).bytes(bytes);
  }

  bytes(values: Uint8Array): this {
    const start = this.#room(values.length);
    this.#bytes.set(values, start);
    return this;
  }

  /** A copy of what was written since the last reset. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** What was written, without a copy; nothing may be written afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Where the next `count` bytes go. May replace the buffer and its view: they are read afterwards. */
  #room(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = pooledBytes(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = viewOf(grown);
    }
    return start;
  }

  /** Writes a text of ASCII alone; else writes nothing and returns false. */
  #ascii(value: string): boolean {
    const { length } = value;
    const start = this.#room(4 + length);
    for (let at = 0; at < length; at++) {
      const code = value.charCodeAt(at);
      if (code > 127) {
        this.#length = start;
        return false;
      }
      this.#bytes[start + 4 + at] = code;
    }
    this.#view.setUint32(start, length, true);
    return true;
  }
}
