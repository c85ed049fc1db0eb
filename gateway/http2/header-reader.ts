/**
 * Takes header blocks from HEADERS and CONTINUATION frames, and reads them. Clients send the same headers over and over: a block that
 * changed nothing means the same as long as nothing else does, and is not read again. Pure.
 */
import { Buffer } from "node:buffer";
import type { FrameHead } from "./frame-reader.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { areTrailers, type RequestHeaders, requestHeaders } from "./request-headers.ts";
import { ERROR, type ErrorNumber, FLAG, number31, TABLE_BYTES } from "./wire-format.ts";

export const HEADER_LIST_BYTES_MAX = 16 * 1024;
/** Of a block as it is sent. */
const BLOCK_BYTES_MAX = 2 * HEADER_LIST_BYTES_MAX;
/** Frames that a block may be cut into. */
const BLOCK_FRAMES_MAX = 16;
/** Blocks that are remembered. */
const REMEMBERED = 4;

/** Ends the connection: nothing can be read any more. */
export interface Broken {
  readonly kind: "broken";
  readonly error: ErrorNumber;
  readonly why: string;
}

/** A whole block. */
export interface WholeBlock {
  readonly kind: "whole";
  readonly stream: number;
  /** Nothing follows on the stream. */
  readonly ends: boolean;
  readonly dependsOnItself: boolean;
  readonly bytes: Buffer;
}

interface OpenBlock extends Omit<WholeBlock, "kind" | "bytes"> {
  readonly fragments: Buffer[];
  byteLength: number;
}

interface Remembered {
  readonly bytes: Buffer;
  readonly version: number;
  readonly headers: RequestHeaders;
}

export class HeaderReader {
  readonly #decoder = new HpackDecoder({ tableBytesMax: TABLE_BYTES, listBytesMax: HEADER_LIST_BYTES_MAX });
  #open: OpenBlock | undefined;
  readonly #remembered: Remembered[] = [];
  #next = 0;

  /** A block has begun: only its CONTINUATION may follow. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** @returns undefined where more is to come */
  headers({ flags, stream }: FrameHead, payload: Buffer): WholeBlock | Broken | undefined {
    const isPadded = (flags & FLAG.padded) !== 0;
    const hasPriority = (flags & FLAG.priority) !== 0;
    const priorityAt = isPadded ? 1 : 0;
    const start = priorityAt + (hasPriority ? 5 : 0);
    const end = payload.byteLength - (isPadded ? (payload[0] ?? 0) : 0);
    if (payload.byteLength < start) return broken(ERROR.frameSize, "HEADERS that are shorter than their flags say");
    if (end < start) return broken(ERROR.protocol, "a frame whose padding is longer than it");
    const bytes = payload.subarray(start, end);
    const ends = (flags & FLAG.endStream) !== 0;
    const dependsOnItself = hasPriority && number31(payload, priorityAt) === stream;
    if ((flags & FLAG.endHeaders) !== 0) return { kind: "whole", stream, ends, dependsOnItself, bytes };
    this.#open = { stream, ends, dependsOnItself, fragments: [Buffer.from(bytes)], byteLength: bytes.byteLength };
    return undefined;
  }

  /** @returns undefined where more is to come */
  continuation({ flags, stream }: FrameHead, payload: Buffer): WholeBlock | Broken | undefined {
    const open = this.#open;
    if (open === undefined || open.stream !== stream) return broken(ERROR.protocol, "CONTINUATION of no header block");
    open.fragments.push(Buffer.from(payload));
    open.byteLength += payload.byteLength;
    if (open.byteLength > BLOCK_BYTES_MAX || open.fragments.length > BLOCK_FRAMES_MAX) {
      return broken(ERROR.enhanceYourCalm, `a header block of more than ${BLOCK_BYTES_MAX} bytes or ${BLOCK_FRAMES_MAX} frames`);
    }
    if ((flags & FLAG.endHeaders) === 0) return undefined;
    this.#open = undefined;
    const { ends, dependsOnItself, fragments } = open;
    return { kind: "whole", stream, ends, dependsOnItself, bytes: Buffer.concat(fragments) };
  }

  /** @returns `malformed` for what is no request */
  request({ bytes }: WholeBlock): RequestHeaders | "malformed" | Broken {
    const { version } = this.#decoder;
    for (const { bytes: known, version: its, headers } of this.#remembered) {
      if (its === version && known.equals(bytes)) return headers;
    }
    const list = this.#decoder.decode(bytes);
    if (list === undefined) return unreadable();
    const headers = requestHeaders(list);
    if (headers === undefined) return "malformed";
    if (this.#decoder.version === version) {
      this.#remembered[this.#next] = { bytes: Buffer.from(bytes), version, headers };
      this.#next = (this.#next + 1) % REMEMBERED;
    }
    return headers;
  }

  /** @returns whether they may stand behind a body */
  trailers({ bytes }: WholeBlock): boolean | Broken {
    const list = this.#decoder.decode(bytes);
    return list === undefined ? unreadable() : areTrailers(list);
  }
}

const broken = (error: ErrorNumber, why: string): Broken => ({ kind: "broken", error, why });
const unreadable = () => broken(ERROR.compression, "a header block that cannot be read");
