/**
 * A link's bytes: frames of a fixed head and a payload, whatever carries them. Pure.
 *
 * | offset | type | field |
 * | --- | --- | --- |
 * | 0 | u32 | payload bytes |
 * | 4 | u8 | type, an index into FRAME_TYPES |
 * | 5 | u8 | kind of the stream, an index into STREAM_KINDS |
 * | 6 | u16 | stream number, bits 32 to 47 |
 * | 8 | u32 | stream number, bits 0 to 31; 0 where there is no stream |
 *
 * Little-endian. The payload: data's own; a reset's reason in UTF-8; a credit's count as u32; none for end and ping.
 */
import { pooledBytes, viewOf } from "../bytes/pooled-bytes.ts";
import { ServingError } from "../errors.ts";
import { FRAME_BYTES_MAX, type StreamKind } from "./link.ts";

export const FRAME_TYPES = ["data", "end", "reset", "credit", "ping"] as const;
export type FrameType = (typeof FRAME_TYPES)[number];

const STREAM_KINDS = ["tensor", "tokens"] as const satisfies readonly StreamKind[];
const HEAD_BYTES = 12;
const EMPTY = new Uint8Array(0);

export interface LinkFrame {
  readonly type: FrameType;
  readonly kind: StreamKind;
  readonly number: number;
  readonly payload: Uint8Array;
}

export const linkFrameBytes = (frame: LinkFrame): number => HEAD_BYTES + frame.payload.byteLength;

/** The frames as one chunk; payloads are copied. */
export function encodeLinkFrames(frames: readonly LinkFrame[]): Uint8Array {
  let chunkBytes = 0;
  for (const frame of frames) chunkBytes += linkFrameBytes(frame);
  const chunk = pooledBytes(chunkBytes);
  const view = viewOf(chunk);
  let offset = 0;
  for (const { type, kind, number, payload } of frames) {
    view.setUint32(offset, payload.byteLength, true);
    view.setUint32(offset + 4, 0, true);
    chunk[offset + 4] = FRAME_TYPES.indexOf(type);
    chunk[offset + 5] = STREAM_KINDS.indexOf(kind);
    view.setUint16(offset + 6, Math.floor(number / 2 ** 32), true);
    view.setUint32(offset + 8, number % 2 ** 32, true);
    chunk.set(payload, offset + HEAD_BYTES);
    offset += HEAD_BYTES + payload.byteLength;
  }
  return chunk;
}

/** Cuts chunks, however they arrive, back into frames. */
export class LinkFrameReader {
  /** The beginning of a frame whose rest has not come. */
  #rest: Uint8Array = EMPTY;

  /**
   * The frames that `chunk` completes. The chunk is the reader's: payloads are views of it.
   * @throws ServingError DATA_LOSS when the bytes are no frames; the link cannot go on.
   */
  read(chunk: Uint8Array): LinkFrame[] {
    const bytes = this.#rest.byteLength === 0 ? chunk : joined(this.#rest, chunk);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const frames: LinkFrame[] = [];
    let offset = 0;
    while (bytes.byteLength - offset >= HEAD_BYTES) {
      const payloadBytes = view.getUint32(offset, true);
      const type = FRAME_TYPES[bytes[offset + 4] ?? FRAME_TYPES.length];
      const kind = STREAM_KINDS[bytes[offset + 5] ?? STREAM_KINDS.length];
      if (payloadBytes > FRAME_BYTES_MAX || type === undefined || kind === undefined) {
        throw new ServingError("DATA_LOSS", "the peer sent bytes that are no link frame");
      }
      const end = offset + HEAD_BYTES + payloadBytes;
      if (end > bytes.byteLength) break;
      const number = view.getUint16(offset + 6, true) * 2 ** 32 + view.getUint32(offset + 8, true);
      frames.push({ type, kind, number, payload: bytes.subarray(offset + HEAD_BYTES, end) });
      offset = end;
    }
    this.#rest = offset === bytes.byteLength ? EMPTY : bytes.subarray(offset);
    return frames;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.byteLength + second.byteLength);
  bytes.set(first);
  bytes.set(second, first.byteLength);
  return bytes;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeCredit(count: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, count, true);
  return payload;
}

/** @throws ServingError DATA_LOSS when the payload is no credit. */
export function decodeCredit(payload: Uint8Array): number {
  if (payload.byteLength !== 4) throw new ServingError("DATA_LOSS", "the peer sent a credit that is no number");
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, true);
}

export const encodeReason = (reason: string): Uint8Array => encoder.encode(reason.slice(0, 1_000));
export const decodeReason = (payload: Uint8Array): string => decoder.decode(payload);
