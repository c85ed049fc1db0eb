/** Reads a request's body within its limits of bytes and chunks. */
import type { Body } from "./body.ts";
import { ChunkedBody } from "./chunked-body.ts";
import type { HttpFault } from "./route.ts";

/** Pieces from here on are kept as they come; smaller ones, of which there may be millions, are gathered. */
const KEPT_BYTES_MIN = 16 * 1024;
const GATHERED_BYTES_MIN = 4 * 1024;
const GATHERED_BYTES_MAX = 1024 * 1024;

/** Non-empty chunks of a chunked body; Triton's limit, and its text. */
const CHUNKS_MAX = 65_536;

const TOO_MANY_CHUNKS: HttpFault = {
  kind: "refused",
  status: 400,
  message: `Chunked request body exceeds maximum of ${CHUNKS_MAX} non-empty chunks. Send fewer or larger HTTP chunks.`,
};

const FULL: HttpFault = { kind: "refused", status: 503, message: "too many large requests at once: try again" };

/** What all bodies that are being read may hold together. */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Large pieces by reference, in order with small ones that are copied together. */
class Segments {
  readonly #closed: Uint8Array<ArrayBuffer>[] = [];
  #open: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  byteLength = 0;

  append(piece: Uint8Array<ArrayBuffer>): void {
    this.byteLength += piece.byteLength;
    if (piece.byteLength >= KEPT_BYTES_MIN) {
      this.#close();
      this.#closed.push(piece);
      return;
    }
    if (this.#open === undefined || this.#filled + piece.byteLength > this.#open.byteLength) {
      this.#close();
      this.#open = new Uint8Array(Math.max(piece.byteLength, GATHERED_BYTES_MIN, Math.min(GATHERED_BYTES_MAX, this.byteLength)));
    }
    this.#open.set(piece, this.#filled);
    this.#filled += piece.byteLength;
  }

  body(): Body {
    this.#close();
    return { byteLength: this.byteLength, segments: this.#closed };
  }

  #close(): void {
    if (this.#open !== undefined) this.#closed.push(this.#open.subarray(0, this.#filled));
    this.#open = undefined;
    this.#filled = 0;
  }
}

export interface BodyLimits {
  readonly bytesMax: number;
  readonly budget: BodyBudget;
}

/** What a reader has found out: `broken` bytes are no body at all, or so much more than allowed that nobody reads on. */
export type BodyState = { readonly kind: "partial" | "dropped" | "broken" } | { readonly kind: "whole"; readonly body: Body };

const PARTIAL: BodyState = { kind: "partial" };
const DROPPED: BodyState = { kind: "dropped" };
const BROKEN: BodyState = { kind: "broken" };

/**
 * Takes a body from a connection's bytes. One that is over a limit, or that nobody wants, is read on and dropped, up to twice
 * `bytesMax` in all: a client that is still writing gets to see the answer, and its connection stays usable.
 */
export class BodyReader {
  readonly #limits: BodyLimits;
  readonly #announced: number | undefined;
  readonly #chunked: ChunkedBody | undefined;
  #kept: Segments | undefined = new Segments();
  #received = 0;
  #taken = 0;
  /** Why it is refused, once it is. */
  fault: HttpFault | undefined;

  /** @param announced undefined: in chunks, of unknown length */
  constructor(announced: number | undefined, limits: BodyLimits) {
    this.#limits = limits;
    this.#announced = announced;
    this.#chunked = announced === undefined ? new ChunkedBody() : undefined;
    if (announced !== undefined && announced > limits.bytesMax) this.#refuse(this.#tooLarge());
  }

  /** @returns how many of the bytes belong to the body */
  push(bytes: Uint8Array<ArrayBuffer>): number {
    if (this.#chunked !== undefined) return this.#chunked.push(bytes, (data) => this.#take(data));
    const own = bytes.subarray(0, (this.#announced ?? 0) - this.#received);
    this.#take(own);
    return own.byteLength;
  }

  /** After the end, and after what is broken, nothing more must be pushed. */
  state(): BodyState {
    if (this.#chunked?.malformed || (this.#kept === undefined && this.#received > 2 * this.#limits.bytesMax)) return BROKEN;
    if (this.#chunked === undefined ? this.#received < (this.#announced ?? 0) : !this.#chunked.over) return PARTIAL;
    const kept = this.#kept;
    this.drop();
    return kept === undefined ? DROPPED : { kind: "whole", body: kept.body() };
  }

  /** Lets go of what it holds; what follows is not kept. */
  drop(): void {
    this.#kept = undefined;
    this.#limits.budget.giveBack(this.#taken);
    this.#taken = 0;
  }

  #take(piece: Uint8Array<ArrayBuffer>): void {
    this.#received += piece.byteLength;
    if (this.#kept === undefined) return;
    const fault = this.#faultOf(piece.byteLength);
    if (fault !== undefined) {
      this.#refuse(fault);
      return;
    }
    this.#taken += piece.byteLength;
    this.#kept.append(piece);
  }

  /** Takes the bytes from the budget where there is nothing wrong. */
  #faultOf(bytes: number): HttpFault | undefined {
    if (this.#received > this.#limits.bytesMax) return this.#tooLarge();
    if (this.#chunked !== undefined && this.#chunked.chunks > CHUNKS_MAX) return TOO_MANY_CHUNKS;
    return this.#limits.budget.take(bytes) ? undefined : FULL;
  }

  #refuse(fault: HttpFault): void {
    this.drop();
    this.fault = fault;
  }

  #tooLarge(): HttpFault {
    return { kind: "body-too-large", bytes: this.#announced, bytesMax: this.#limits.bytesMax };
  }
}
