/** Reads a binary message; whatever the bytes are, it ends with a value or an INVALID_ARGUMENT. Pure. */
import { ServingError } from "../errors.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class ByteReader {
  readonly #what: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  /** @param what names the message in errors */
  constructor(what: string, bytes: Uint8Array) {
    this.#what = what;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  /** Finite. */
  f64(): number {
    const value = this.#view.getFloat64(this.#take(8), true);
    return Number.isFinite(value) ? value : this.fail("has a number that is not finite");
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  text(): string {
    const bytes = this.bytes(this.u32());
    try {
      return decoder.decode(bytes);
    } catch {
      return this.fail("has a text that is not UTF-8");
    }
  }

  /** A view of the message. */
  bytes(count: number): Uint8Array {
    const offset = this.#take(count);
    return this.#bytes.subarray(offset, offset + count);
  }

  /** All that is left; a view of the message. */
  rest(): Uint8Array {
    return this.bytes(this.#bytes.byteLength - this.#offset);
  }

  /** A count of things of at least `bytesEach` bytes: never more than can follow, so that it may be allocated for. */
  count(count: number, bytesEach: number): number {
    return count * bytesEach <= this.#bytes.byteLength - this.#offset ? count : this.fail("ends too early");
  }

  /** @throws ServingError INVALID_ARGUMENT when bytes are left. */
  end(): void {
    if (this.#offset !== this.#bytes.byteLength) this.fail("is longer than it should be");
  }

  /** @throws ServingError INVALID_ARGUMENT */
  fail(why: string): never {
    throw new ServingError("INVALID_ARGUMENT", `${this.#what} of ${this.#bytes.byteLength} bytes ${why} (at byte ${this.#offset})`);
  }

  #take(count: number): number {
    const offset = this.#offset;
    if (count > this.#bytes.byteLength - offset) this.fail("ends too early");
    this.#offset += count;
    return offset;
  }
}
