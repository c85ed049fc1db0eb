/**
 * Several messages for one subject as one payload, so that what is published in one tick costs the broker one message. Pure.
 *
 * | bytes | field |
 * | --- | --- |
 * | 1 | form, 1 |
 * | 4 | length of the message, u32 little-endian |
 * | … | the message; then the next one's length |
 */
const FORM = 1;
const FORM_BYTES = 1;
const LENGTH_BYTES = 4;

/** How much larger a payload with this many messages is than they are. */
export const joinedOverhead = (messages: number): number => FORM_BYTES + messages * LENGTH_BYTES;

/** Copies messages behind one another as they come. */
export class JoinedMessages {
  #payload: Uint8Array;
  #end = FORM_BYTES;

  constructor(first: Uint8Array) {
    this.#payload = new Uint8Array(joinedOverhead(1) + first.byteLength);
    this.#payload[0] = FORM;
    this.add(first);
  }

  get byteLength(): number {
    return this.#end;
  }

  add(message: Uint8Array): void {
    const start = this.#end + LENGTH_BYTES;
    const end = start + message.byteLength;
    const payload = end > this.#payload.byteLength ? this.#grown(2 * end) : this.#payload;
    for (let byte = 0; byte < LENGTH_BYTES; byte++) payload[this.#end + byte] = message.byteLength >>> (8 * byte);
    payload.set(message, start);
    this.#end = end;
  }

  /** A view, into which nothing more may be added. */
  get payload(): Uint8Array {
    return this.#payload.subarray(0, this.#end);
  }

  #grown(bytes: number): Uint8Array {
    const grown = new Uint8Array(bytes);
    grown.set(this.payload);
    this.#payload = grown;
    return grown;
  }
}

export interface SplitMessages {
  /** Views of the payload. */
  readonly messages: readonly Uint8Array[];
  /** False: what stands behind these messages is none. */
  readonly whole: boolean;
}

/** Never throws: a payload that others have written, or that was cut, gives the messages that it has. */
export function splitMessages(payload: Uint8Array): SplitMessages {
  const messages: Uint8Array[] = [];
  if (payload[0] !== FORM) return { messages, whole: false };
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let offset = FORM_BYTES;
  while (offset + LENGTH_BYTES <= payload.byteLength) {
    const start = offset + LENGTH_BYTES;
    const end = start + view.getUint32(offset, true);
    if (end > payload.byteLength) break;
    messages.push(payload.subarray(start, end));
    offset = end;
  }
  return { messages, whole: offset === payload.byteLength };
}
