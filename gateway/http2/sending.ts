/** What one stream has to send, and how much of it the client takes. Pure. */
import type { Memory } from "../../core/bytes/lent-memory.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { HeaderBlock } from "./hpack/encoder.ts";
import { WINDOW_MAX } from "./wire-format.ts";

/** Whose stream it is. */
export interface Sender {
  /** More may be written. */
  drained(): void;
  /** The stream's end is written. */
  sent(): void;
}

/** What may wait to be sent before who writes is told to wait. */
const WAITING_BYTES_MAX = 64 * 1024;

export class Sending {
  readonly stream: number;
  readonly sender: Sender;
  /** What follows the data; undefined: more of them may come. */
  trailers: HeaderBlock | undefined;
  /** Of the data: to be released when all that is to be sent has left. */
  memory: Memory | undefined;
  /** Below zero where the client has taken back what it had allowed. */
  #window: number;
  #pieces: Uint8Array[] | undefined;
  #offset = 0;
  /** When the client was first seen to take nothing of what waits; undefined: it has since. */
  #stalledAtMs: number | undefined;
  #byteLength = 0;

  constructor(stream: number, sender: Sender, window: number) {
    this.stream = stream;
    this.sender = sender;
    this.#window = window;
  }

  /** What waits. */
  get byteLength(): number {
    return this.#byteLength;
  }

  get window(): number {
    return this.#window;
  }

  /** Nothing more is taken for now. */
  get full(): boolean {
    return this.#byteLength > WAITING_BYTES_MAX;
  }

  /** @returns false where the window would be larger than windows can be */
  widen(bytes: number): boolean {
    this.#window += bytes;
    return this.#window <= WINDOW_MAX;
  }

  /** They belong to the stream until they are sent. */
  add(pieces: readonly Uint8Array[]): void {
    this.#pieces ??= [];
    for (const piece of pieces) {
      if (piece.byteLength === 0) continue;
      this.#pieces.push(piece);
      this.#byteLength += piece.byteLength;
    }
  }

  /** Takes what is sent by another way from the window. */
  spend(bytes: number): void {
    this.#window -= bytes;
    this.#stalledAtMs = undefined;
  }

  /** Writes the next `bytes` of what waits. */
  writeTo(writer: FrameWriter, bytes: number): void {
    this.spend(bytes);
    this.#byteLength -= bytes;
    const pieces = this.#pieces ?? [];
    let done = 0;
    for (let left = bytes; left > 0; ) {
      const piece = pieces[done];
      if (piece === undefined) break;
      const end = Math.min(piece.byteLength, this.#offset + left);
      writer.bytes(this.#offset === 0 && end === piece.byteLength ? piece : piece.subarray(this.#offset, end));
      left -= end - this.#offset;
      this.#offset = end === piece.byteLength ? 0 : end;
      if (this.#offset === 0) done++;
    }
    if (done > 0) pieces.splice(0, done);
  }

  /** To be asked now and then. @returns how long the client has taken nothing of what waits */
  stalledMs(nowMs: number): number {
    if (this.#byteLength === 0) return 0;
    this.#stalledAtMs ??= nowMs;
    return nowMs - this.#stalledAtMs;
  }

  drop(): void {
    this.#pieces = undefined;
    this.#byteLength = 0;
  }
}
