/**
 * Frames of the wire: a fixed header and a payload, and the parser that finds them in a socket's chunks. The checksum is zlib's
 * crc32 over header and payload: it is native in Node, which crc32c is not.
 *
 * | offset | field |
 * | --- | --- |
 * | 0 | magic `NRDW` |
 * | 4 | version, u8 |
 * | 5 | kind, u8 |
 * | 6 | zero, u16 |
 * | 8 | epoch, u64 |
 * | 16 | step, u64 |
 * | 24 | bytes of the payload, u32 |
 * | 28 | crc32 of the 28 bytes before and of the payload, u32 |
 */
import { crc32 } from "node:zlib";
import { ServingError } from "../errors.ts";

/** What a frame is. `hello`: who dials and in which epoch; `failure`: why nothing comes any more. */
export const FRAME_KINDS = ["hello", "step", "result", "failure"] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

export interface Frame {
  readonly kind: FrameKind;
  readonly epoch: number;
  readonly step: number;
  readonly payload: Uint8Array;
}

export const FRAME_HEADER_BYTES = 32;
const MAGIC = 0x5744524e; // "NRDW", little-endian
const VERSION = 1;
const CRC_OFFSET = 28;

/** The header of a frame whose payload is `parts`, one after another. */
export function frameHeader(frame: Omit<Frame, "payload">, parts: readonly Uint8Array[]): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, VERSION);
  view.setUint8(5, FRAME_KINDS.indexOf(frame.kind));
  setWholeNumber(view, 8, frame.epoch);
  setWholeNumber(view, 16, frame.step);
  let byteLength = 0;
  for (const part of parts) byteLength += part.byteLength;
  view.setUint32(24, byteLength, true);
  let crc = crc32(header.subarray(0, CRC_OFFSET));
  for (const part of parts) crc = crc32(part, crc);
  view.setUint32(CRC_OFFSET, crc, true);
  return header;
}

/** Header and payload in one piece. */
export function encodeFrame(frame: Frame): Uint8Array {
  return Buffer.concat([frameHeader(frame, [frame.payload]), frame.payload]);
}

/** Cuts a stream of chunks into frames. After it has thrown, the stream has no meaning any more: close it. */
export class FrameParser {
  readonly #payloadBytesMax: number;
  #chunks: Uint8Array[] = [];
  #held = 0;
  /** Bytes of the frame that has begun; the header's until that is complete. */
  #wanted = FRAME_HEADER_BYTES;

  /** @param payloadBytesMax larger frames are refused before they are received */
  constructor(payloadBytesMax: number) {
    this.#payloadBytesMax = payloadBytesMax;
  }

  /**
   * The frames that `chunk` completes. Payloads are views of the chunks: the parser never writes to them.
   * @throws ServingError DATA_LOSS when a frame is not ours, too large, or damaged.
   */
  push(chunk: Uint8Array): readonly Frame[] {
    this.#chunks.push(chunk);
    this.#held += chunk.byteLength;
    const frames: Frame[] = [];
    while (this.#held >= this.#wanted) {
      const bytes = this.#join();
      const frameBytes = FRAME_HEADER_BYTES + this.#payloadLength(bytes);
      if (bytes.byteLength < frameBytes) {
        this.#wanted = frameBytes;
        break;
      }
      frames.push(readFrame(bytes.subarray(0, frameBytes)));
      const rest = bytes.subarray(frameBytes);
      this.#chunks = rest.byteLength > 0 ? [rest] : [];
      this.#held = rest.byteLength;
      this.#wanted = FRAME_HEADER_BYTES;
    }
    return frames;
  }

  /** Joins only when a header or a whole frame is there, so that a frame's bytes are copied twice at most. */
  #join(): Uint8Array {
    const [only] = this.#chunks;
    if (this.#chunks.length === 1 && only !== undefined) return only;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }

  #payloadLength(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(0, true) !== MAGIC) damaged("does not begin with the wire's magic number");
    const version = view.getUint8(4);
    if (version !== VERSION) damaged(`has version ${version}, this program speaks ${VERSION}`);
    const byteLength = view.getUint32(24, true);
    if (byteLength > this.#payloadBytesMax) damaged(`announces ${byteLength} bytes, at most ${this.#payloadBytesMax} are taken`);
    return byteLength;
  }
}

function readFrame(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const payload = bytes.subarray(FRAME_HEADER_BYTES);
  const crc = crc32(payload, crc32(bytes.subarray(0, CRC_OFFSET)));
  if (crc !== view.getUint32(CRC_OFFSET, true)) damaged("has a wrong checksum");
  const kind = FRAME_KINDS[view.getUint8(5)];
  if (kind === undefined) damaged(`is of unknown kind ${view.getUint8(5)}`);
  if (view.getUint16(6, true) !== 0) damaged("has bits set that must be zero");
  return { kind, epoch: wholeNumber(view, 8), step: wholeNumber(view, 16), payload };
}

/** As u64, without the cost of a BigInt. */
function setWholeNumber(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 2 ** 32, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}

function wholeNumber(view: DataView, offset: number): number {
  const value = view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
  if (!Number.isSafeInteger(value)) damaged(`numbers itself ${value}`);
  return value;
}

function damaged(why: string): never {
  throw new ServingError("DATA_LOSS", `a frame on the wire ${why}`, { reason: "bad_frame" });
}
