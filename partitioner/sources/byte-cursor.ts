/** Reading a GGUF header value by value from the first bytes of a file. Pure. */
import { ServingError } from "../../core/errors.ts";

/** The bytes at hand end before the value does: read more of the file and start again. */
export class MoreBytesNeeded extends Error {}

const DECODER = new TextDecoder();

/** Little-endian reads at a moving position, checked against the bytes at hand and against the file's length. */
export class ByteCursor {
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileBytes: number;

  /** @param bytes the file's first bytes @param fileBytes the file's whole length */
  constructor(bytes: Uint8Array, fileBytes: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileBytes = fileBytes;
  }

  /** Moves on by `length`. @throws ServingError DATA_LOSS past the file's end; MoreBytesNeeded past the bytes at hand. */
  take(length: number): number {
    this.demand(length);
    const at = this.position;
    if (at + length > this.#bytes.length) throw new MoreBytesNeeded();
    this.position += length;
    return at;
  }

  /** @throws ServingError DATA_LOSS when the file has less than `length` bytes left: guards counts before anything is allocated. */
  demand(length: number): void {
    if (this.position + length > this.#fileBytes) {
      throw new ServingError("DATA_LOSS", `the GGUF header passes the end of its file (${this.#fileBytes} bytes): fetch the file again`);
    }
  }

  u8 = (): number => this.#view.getUint8(this.take(1));
  i8 = (): number => this.#view.getInt8(this.take(1));
  u16 = (): number => this.#view.getUint16(this.take(2), true);
  i16 = (): number => this.#view.getInt16(this.take(2), true);
  u32 = (): number => this.#view.getUint32(this.take(4), true);
  i32 = (): number => this.#view.getInt32(this.take(4), true);
  f32 = (): number => this.#view.getFloat32(this.take(4), true);
  f64 = (): number => this.#view.getFloat64(this.take(8), true);
  u64 = (): number | bigint => narrowed(this.#view.getBigUint64(this.take(8), true));
  i64 = (): number | bigint => narrowed(this.#view.getBigInt64(this.take(8), true));

  /** A 64-bit count or offset. @throws ServingError DATA_LOSS above 2^53 - 1 */
  count(what: string): number {
    const value = this.u64();
    if (typeof value === "number") return value;
    throw new ServingError("DATA_LOSS", `the GGUF header has an impossible ${what}: ${value}`);
  }

  text(): string {
    const length = this.count("text length");
    const at = this.take(length);
    return DECODER.decode(this.#bytes.subarray(at, at + length));
  }
}

const narrowed = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};
