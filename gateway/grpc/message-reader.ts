/**
 * Cuts what arrives into messages: a byte that says whether it is compressed, four bytes of length (big-endian), the message, which
 * is gathered as it comes: nothing is kept of the chunks.
 */
import { LENT_BYTES_MIN, type Lease, type LentMemory } from "../../core/bytes/lent-memory.ts";
import { pooledCopy } from "../../core/bytes/pooled-bytes.ts";
import { ServingError } from "../../core/errors.ts";

const PREFIX_BYTES = 5;
/** Up to this size a message gets its memory at once: it is touched only as bytes arrive. */
const ALLOCATED_AT_ONCE = 4 * 1024 * 1024;

export interface Frame {
  readonly compressed: boolean;
  readonly bytes: Uint8Array;
  /** Of the bytes, where it is used again. */
  readonly memory: Lease | undefined;
}

export class MessageReader {
  readonly #bytesMax: number;
  readonly #memory: LentMemory;
  #lease: Lease | undefined;
  #prefix: Uint8Array = new Uint8Array();
  /** The message that is being gathered: `#filled` of `#length` bytes are in `#gathered`. */
  #gathered: Uint8Array | undefined;
  #compressed = false;
  #length = 0;
  #filled = 0;

  /** @param bytesMax of one message, as sent */
  constructor(bytesMax: number, memory: LentMemory) {
    this.#bytesMax = bytesMax;
    this.#memory = memory;
  }

  /** Whether a message has begun and not ended. */
  get partial(): boolean {
    return this.#gathered !== undefined || this.#prefix.byteLength > 0;
  }

  /** @returns the messages that `chunk` completes. @throws ServingError RESOURCE_EXHAUSTED as soon as a message says that it is too long */
  push(chunk: Uint8Array): readonly Frame[] {
    const frames: Frame[] = [];
    let rest = this.#prefix.byteLength > 0 ? this.#withPrefix(chunk) : chunk;
    while (rest.byteLength > 0) {
      if (this.#gathered !== undefined) {
        rest = this.#gather(this.#gathered, rest, frames);
        continue;
      }
      if (rest.byteLength < PREFIX_BYTES) {
        this.#prefix = pooledCopy(rest);
        break;
      }
      rest = this.#begin(rest, frames);
    }
    return frames;
  }

  /** The bytes of a cut prefix, at most four, before those that follow. */
  #withPrefix(chunk: Uint8Array): Uint8Array {
    const joined = new Uint8Array(this.#prefix.byteLength + chunk.byteLength);
    joined.set(this.#prefix);
    joined.set(chunk, this.#prefix.byteLength);
    this.#prefix = new Uint8Array();
    return joined;
  }

  #begin(bytes: Uint8Array, frames: Frame[]): Uint8Array {
    const [flag = 0, a = 0, b = 0, c = 0, d = 0] = bytes;
    const length = a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
    if (flag > 1) throw new ServingError("INTERNAL", `a message begins with the flag ${flag}: 0 and 1 are known`);
    if (length > this.#bytesMax) throw tooLarge(length, this.#bytesMax);
    const end = PREFIX_BYTES + length;
    if (bytes.byteLength >= end) {
      frames.push({ compressed: flag === 1, bytes: pooledCopy(bytes.subarray(PREFIX_BYTES, end)), memory: undefined });
      return bytes.subarray(end);
    }
    this.#compressed = flag === 1;
    this.#length = length;
    this.#filled = 0;
    this.#lease = length >= LENT_BYTES_MIN && length <= ALLOCATED_AT_ONCE ? this.#memory.lend(length) : undefined;
    this.#gathered = this.#lease?.bytes ?? new Uint8Array(Math.min(length, ALLOCATED_AT_ONCE));
    return bytes.subarray(PREFIX_BYTES);
  }

  #gather(into: Uint8Array, bytes: Uint8Array, frames: Frame[]): Uint8Array {
    const part = bytes.subarray(0, this.#length - this.#filled);
    const filled = this.#filled + part.byteLength;
    const gathered =
      filled <= into.byteLength ? into : grown(into, this.#filled, Math.min(this.#length, Math.max(filled, 2 * into.byteLength)));
    gathered.set(part, this.#filled);
    this.#filled = filled;
    if (filled < this.#length) {
      this.#gathered = gathered;
      return bytes.subarray(part.byteLength);
    }
    this.#gathered = undefined;
    frames.push({ compressed: this.#compressed, bytes: gathered, memory: this.#lease });
    return bytes.subarray(part.byteLength);
  }
}

export function tooLarge(bytes: number | undefined, bytesMax: number): ServingError {
  const size = bytes === undefined ? "the message is larger" : `the message of ${bytes} bytes is larger`;
  return new ServingError("RESOURCE_EXHAUSTED", `${size} than the ${bytesMax} bytes that this server takes`, {
    reason: "message_too_large",
  });
}

function grown(bytes: Uint8Array, filled: number, byteLength: number): Uint8Array {
  const larger = new Uint8Array(byteLength);
  larger.set(bytes.subarray(0, filled));
  return larger;
}
