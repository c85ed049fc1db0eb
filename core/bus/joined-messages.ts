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

export function joinMessages(messages: readonly Uint8Array[]): Uint8Array {
  const length = messages.reduce((sum, message) => sum + message.byteLength, joinedOverhead(messages.length));
  const joined = new Uint8Array(length);
  const view = new DataView(joined.buffer);
  joined[0] = FORM;
  let offset = FORM_BYTES;
  for (const message of messages) {
    view.setUint32(offset, message.byteLength, true);
    joined.set(message, offset + LENGTH_BYTES);
    offset += LENGTH_BYTES + message.byteLength;
  }
  return joined;
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
