/** Reads a request's body within its limits of bytes and chunks. */
import { LENT_BYTES_MAX, LENT_BYTES_MIN, type Lease, type LentMemory, together } from "../../core/bytes/lent-memory.ts";
import type { Body } from "../http/body.ts";
import type { HttpFault } from "../http/route.ts";
import { ChunkedBody } from "./chunked-body.ts";

/** Blocks that small pieces are gathered in. */
const GATHERED_BYTES_MIN = 4 * 1024;
const GATHERED_BYTES_MAX = 1024 * 1024;
/** From pieces of this size on, a block for all that is announced is worth its memory: it is touched only as bytes arrive. */
const LARGE_PIECE_BYTES = 16 * 1024;
const BLOCK_BYTES_MAX = 4 * 1024 * 1024;

/** Non-empty chunks of a chunked body; Triton's limit, and its text. */
const CHUNKS_MAX = 65_536;

const TOO_MANY_CHUNKS: HttpFault = {
  kind: "refused",
  status: 400,
  message: `Chunked request body exceeds maximum of ${CHUNKS_MAX} non-empty chunks. Send fewer or larger HTTP chunks.`,
};

const NOTHING = new Uint8Array();

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

/** Copies of the pieces that have come, in few blocks. */
class Segments {
  readonly #memory: LentMemory;
  readonly #leases: Lease[] = [];
  readonly #closed: Uint8Array<ArrayBuffer>[] = [];
  #open: Uint8Array<ArrayBuffer> = NOTHING;
  #filled = 0;
  byteLength = 0;

  constructor(memory: LentMemory) {
    this.#memory = memory;
  }

  /** @param following what is announced to come behind it */
  append(piece: Uint8Array<ArrayBuffer>, following: number): void {
    for (let at = 0; at < piece.byteLength; ) {
      if (this.#filled === this.#open.byteLength) this.#begin(piece.byteLength - at, following);
      const part = piece.subarray(at, at + this.#open.byteLength - this.#filled);
      this.#open.set(part, this.#filled);
      this.#filled += part.byteLength;
      this.byteLength += part.byteLength;
      at += part.byteLength;
    }
  }

  body(): Body {
    this.#close();
    return { byteLength: this.byteLength, segments: this.#closed, memory: together(this.#leases) };
  }

  /** Nobody has seen it. */
  release(): void {
    for (const lease of this.#leases) lease.release();
  }

  #begin(bytes: number, following: number): void {
    this.#close();
    const announced = Math.min(BLOCK_BYTES_MAX, bytes + following);
    const gathered = Math.max(bytes, GATHERED_BYTES_MIN, Math.min(GATHERED_BYTES_MAX, this.byteLength));
    const size = bytes >= LARGE_PIECE_BYTES ? Math.max(announced, gathered) : gathered;
    const lease = size >= LENT_BYTES_MIN && size <= LENT_BYTES_MAX ? this.#memory.lend(size) : undefined;
    if (lease !== undefined) this.#leases.push(lease);
    this.#open = lease?.bytes ?? new Uint8Array(size);
    this.#filled = 0;
  }

  #close(): void {
    if (this.#filled > 0) this.#closed.push(this.#open.subarray(0, this.#filled));
  }
}

export interface BodyLimits {
  readonly bytesMax: number;
  readonly budget: BodyBudget;
  /** For large bodies. */
  readonly memory: LentMemory;
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
  #kept: Segments | undefined;
  #received = 0;
  #taken = 0;
  /** Why it is refused, once it is. */
  fault: HttpFault | undefined;

  /** @param announced undefined: in chunks, of unknown length */
  constructor(announced: number | undefined, limits: BodyLimits) {
    this.#limits = limits;
    this.#announced = announced;
    this.#kept = new Segments(limits.memory);
    this.#chunked = announced === undefined ? new ChunkedBody() : undefined;
    if (announced !== undefined && announced > limits.bytesMax) this.#refuse(this.#tooLarge());
  }

  /** Keeps copies. @returns how many of the bytes belong to the body */
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
    this.#kept = undefined;
    this.drop();
    return kept === undefined ? DROPPED : { kind: "whole", body: kept.body() };
  }

  /** Lets go of what it holds; what follows is not kept. */
  drop(): void {
    this.#kept?.release();
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
    this.#kept.append(piece, Math.max(0, (this.#announced ?? 0) - this.#received));
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
