/**
 * Walks the fields of a protobuf message that lies in a file too large to hold: who walks yields the range that it needs and is
 * resumed with its bytes. Large fields are passed over unread. Pure.
 */
import { ServingError } from "../errors.ts";

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Asks for ranges of the file, one after the other, and ends with a result. */
export type RangeReader<Result> = Generator<ByteRange, Result, Uint8Array>;

export interface ProtobufField {
  readonly number: number;
  /** A varint's value; for a field of bytes its length. */
  readonly value: bigint;
  /** Where the content of a field of bytes begins and ends; both 0 for other fields. */
  readonly start: number;
  readonly end: number;
}

const WINDOW_BYTES = 16 * 1024;
/** A field's key and a value or length: two varints. */
const HEAD_BYTES_MAX = 20;

/** A file seen through a window of 16 KiB that moves forward. */
export class ProtobufFile {
  readonly bytes: number;
  #window: Uint8Array = new Uint8Array();
  #windowStart = 0;
  #position = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /**
   * The fields between `start` and `end` that have one of these numbers, in the order of the file.
   * @throws ServingError DATA_LOSS when the bytes are no message
   */
  *fields({ start, end }: { readonly start: number; readonly end: number }, ...numbers: readonly number[]): RangeReader<ProtobufField[]> {
    const found: ProtobufField[] = [];
    for (let at = start; at < end; ) {
      yield* this.#seek(at, Math.min(HEAD_BYTES_MAX, end - at));
      const key = this.#varint(end);
      const number = Number(key >> 3n);
      const wireType = Number(key & 7n);
      let field: ProtobufField | undefined;
      if (wireType === 0) field = { number, value: this.#varint(end), start: 0, end: 0 };
      else if (wireType === 2) {
        const value = this.#varint(end);
        field = { number, value, start: this.#position, end: this.#position + Number(value) };
      } else if (wireType !== 1 && wireType !== 5) throw damaged(at, `wire type ${wireType}`);
      const fixedBytes = wireType === 1 ? 8 : wireType === 5 ? 4 : 0;
      at = Math.max(this.#position + fixedBytes, field?.end ?? 0);
      if (at > end) throw damaged(this.#position, "a field passes the end of its message");
      if (field !== undefined && numbers.includes(number)) found.push(field);
    }
    return found;
  }

  /** A short field's text. @throws ServingError DATA_LOSS when it has more than `bytesMax` bytes */
  *text({ start, end }: ProtobufField, bytesMax = 4096): RangeReader<string> {
    if (end - start > bytesMax) throw damaged(start, `a name of ${end - start} bytes`);
    yield* this.#seek(start, end - start);
    const from = start - this.#windowStart;
    return new TextDecoder().decode(this.#window.subarray(from, from + end - start));
  }

  /** Makes the window hold these bytes. */
  *#seek(offset: number, length: number): RangeReader<void> {
    this.#position = offset;
    if (offset >= this.#windowStart && offset + length <= this.#windowStart + this.#window.length) return;
    this.#window = yield { offset, length: Math.min(Math.max(WINDOW_BYTES, length), this.bytes - offset) };
    this.#windowStart = offset;
  }

  #varint(end: number): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#position < end ? this.#window[this.#position - this.#windowStart] : undefined;
      if (byte === undefined) break;
      this.#position++;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw damaged(this.#position, "a number is cut short");
  }
}

export function damaged(offset: number, what: string): ServingError {
  return new ServingError("DATA_LOSS", `no ONNX model: ${what} at byte ${offset}; export or copy the file again`, {
    reason: "damaged_model",
  });
}
