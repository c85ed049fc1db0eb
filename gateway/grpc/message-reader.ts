/**
 * Cuts what arrives into messages: a byte that says whether it is compressed, four bytes of length (big-endian), the message. A
 * message that lies in one chunk is a view of it; a longer one is gathered as it comes.
 */
import { ServingError } from "../../core/errors.ts";

const PREFIX_BYTES = 5;
/** Up to this size a message gets its memory at once: it is touched only as bytes arrive. */
const ALLOCATED_AT_ONCE = 4 * 1024 * 1024;

export interface Frame {
  readonly compressed: boolean;
  readonly bytes: Uint8Array;
}

export class MessageReader {
  readonly #bytesMax: number;
  #prefix: Uint8Array = new Uint8Array();
  /** The message that is being gathered: `#filled` of `#length` bytes are in `#gathered`. */
  #gathered: Uint8Array | undefined;
  #compressed = false;
  #length = 0;
  #filled = 0;

  /** @param bytesMax of one message, as sent */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
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
        this.#prefix = rest;
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
      frames.push({ compressed: flag === 1, bytes: plain(bytes.subarray(PREFIX_BYTES, end)) });
      return bytes.subarray(end);
    }
    this.#compressed = flag === 1;
    this.#length = length;
    this.#filled = 0;
    this.#gathered = new Uint8Array(Math.min(length, ALLOCATED_AT_ONCE));
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
    frames.push({ compressed: this.#compressed, bytes: gathered });
    return bytes.subarray(part.byteLength);
  }
}

/** No Buffer: its `slice` copies nothing, and who takes the bytes must not have to know. */
export function plain({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
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
