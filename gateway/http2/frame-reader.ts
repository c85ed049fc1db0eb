/**
 * Cuts what arrives into frames. Data are passed on as they come, other frames once they are whole: in views of what came, for the
 * time of the call. Pure.
 */
import { Buffer } from "node:buffer";
import { ERROR, type ErrorNumber, FLAG, FRAME, FRAME_BYTES, HEAD_BYTES, number31 } from "./wire-format.ts";

/** Takes the frames of one connection. */
export interface FrameSink {
  /** Nothing more is wanted. */
  readonly over: boolean;
  frame(head: FrameHead, payload: Buffer): void;
  data(piece: DataPiece): void;
  /** No frame can be read any more. */
  broken(error: ErrorNumber, why: string): void;
}

export interface FrameHead {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

/** A part of a DATA frame. */
export interface DataPiece {
  readonly stream: number;
  readonly bytes: Buffer;
  /** What windows lose: of a frame's first piece, all that it carries. */
  readonly counted: number;
  /** Of it what nobody will use. */
  readonly padding: number;
  /** The stream ends behind it. */
  readonly ends: boolean;
}

const NOTHING = Buffer.alloc(0);

/** The DATA frame that has begun: what of it is to come. */
interface OpenData {
  readonly stream: number;
  readonly ends: boolean;
  left: number;
  /** Behind what is left. */
  padding: number;
  /** Of its first piece, which is to come. */
  counted: number;
}

export class FrameReader {
  readonly #sink: FrameSink;
  /** The beginning of a frame that is not whole. */
  #rest: Buffer = NOTHING;
  #data: OpenData | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.byteLength === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < bytes.byteLength && !this.#sink.over) {
      const next = this.#data === undefined ? this.#begin(bytes, at) : this.#goOn(this.#data, bytes, at);
      if (next === undefined) break;
      at = next;
    }
    this.#rest = at === bytes.byteLength || this.#sink.over ? NOTHING : Buffer.from(bytes.subarray(at));
  }

  /** @returns where to go on; undefined: not enough is here */
  #begin(bytes: Buffer, at: number): number | undefined {
    const start = at + HEAD_BYTES;
    if (start > bytes.byteLength) return undefined;
    const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const [type, flags, stream] = [bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, number31(bytes, at + 5)];
    if (length > FRAME_BYTES) {
      this.#sink.broken(ERROR.frameSize, `a frame of ${length} bytes: at most ${FRAME_BYTES}`);
      return undefined;
    }
    if (type === FRAME.data) return this.#beginData({ type, flags, stream }, length, bytes, start);
    if (start + length > bytes.byteLength) return undefined;
    this.#sink.frame({ type, flags, stream }, bytes.subarray(start, start + length));
    return start + length;
  }

  #beginData({ flags, stream }: FrameHead, length: number, bytes: Buffer, start: number): number | undefined {
    const ends = (flags & FLAG.endStream) !== 0;
    const isPadded = (flags & FLAG.padded) !== 0;
    const padding = isPadded ? bytes[start] : 0;
    if (padding === undefined && length > 0) return undefined;
    const left = length - (isPadded ? 1 : 0) - (padding ?? 0);
    if (left < 0) {
      this.#sink.broken(ERROR.protocol, "a frame whose padding is longer than it");
      return undefined;
    }
    const from = isPadded ? start + 1 : start;
    if (padding === 0 && from + left <= bytes.byteLength) {
      this.#sink.data({ stream, bytes: bytes.subarray(from, from + left), counted: length, padding: length - left, ends });
      return from + left;
    }
    this.#data = { stream, ends, left, padding: padding ?? 0, counted: length };
    return left === 0 ? this.#goOn(this.#data, bytes, from) : from;
  }

  #goOn(data: OpenData, bytes: Buffer, at: number): number {
    const end = Math.min(at + data.left, bytes.byteLength);
    if (data.left > 0 || data.counted > 0) {
      data.left -= end - at;
      const { stream, left, counted } = data;
      const padding = counted === 0 ? 0 : counted - left - (end - at);
      data.counted = 0;
      this.#sink.data({ stream, bytes: bytes.subarray(at, end), counted, padding, ends: data.ends && left === 0 });
    }
    const padded = Math.min(end + (data.left > 0 ? 0 : data.padding), bytes.byteLength);
    data.padding -= padded - end;
    if (data.left === 0 && data.padding === 0) this.#data = undefined;
    return padded;
  }
}
