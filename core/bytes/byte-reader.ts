/** Reads binary messages; whatever the bytes are, it ends with a value or an INVALID_ARGUMENT. Pure. */
import { ServingError } from "../errors.ts";

/** Longer texts are decoded by the run-time; for those up to here the call would take longer than the work. */
const SHORT_TEXT = 32;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

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

  /** As `f64`, and refused unless it is finite. */
  finite(): number {
    const value = this.f64();
    return Number.isFinite(value) ? value : this.fail("has a number that is not finite");
  }

  i32(): number {
    return this.#view.getInt32(this.#step(4), true);
  }

  text(): string {
    const count = this.u32();
    return (count <= SHORT_TEXT ? this.#ascii(count) : undefined) ?? this.#decoded(count);
  }

  /** undefined, and nothing is read, when the text is not all ASCII. */
  #ascii(count: number): string | undefined {
    const start = this.#step(count);
    let value = "";
    for (let at = start; at < start + count; at++) {
      const code = this.#bytes[at] ?? 0;
      if (code > 127) {
        this.#at = start;
        return undefined;
      }
      value += String.fromCharCode(code);
    }
    return value;
  }

  #decoded(count: number): string {
    const bytes = this.bytes(count);
    try {
      return decoder.decode(bytes);
    } catch {
      return this.fail("has a text that is not UTF-8");
    }
  }

  i32s(): Int32Array {
    const count = this.u32();
    const start = this.#step(count * 4);
    const values = new Int32Array(count);
    for (let at = 0; at < count; at++) values[at] = this.#view.getInt32(start + at * 4, true);
    return values;
  }

  /** A view of the next `count` bytes, not a copy. */
  bytes(count: number): Uint8Array {
    const start = this.#step(count);
    return this.#bytes.subarray(start, start + count);
  }

  /** A count that was read, refused unless so many items of `itemBytes` at least can still follow: no allocation on a lie. */
  count(value: number, itemBytes: number): number {
    if (value * itemBytes > this.#bytes.length - this.#at) this.fail(`announces ${value} items and ends before them`);
    return value;
  }

  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - this.#at);
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
