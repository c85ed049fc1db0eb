/** Reads a request's body within its limits: bytes, chunks, and the time that nothing comes. */
import type { IncomingMessage } from "node:http";
import { ServingError } from "../../core/errors.ts";
import type { HttpFault } from "./route.ts";
import type { Sweep, Swept } from "./sweep.ts";

/** A body in the pieces in which it is kept: never joined unless somebody needs it whole. */
export interface Body {
  readonly byteLength: number;
  /** Each owns its memory, so that it may be transferred to a worker. */
  readonly segments: readonly Uint8Array<ArrayBuffer>[];
}

export const EMPTY_BODY: Body = { byteLength: 0, segments: [] };

const SEGMENT_BYTES = 1024 * 1024;

/** Non-empty chunks of a chunked body; Triton's limit, and its text. */
const CHUNKS_MAX = 65_536;

const TOO_MANY_CHUNKS: HttpFault = {
  kind: "refused",
  status: 400,
  message: `Chunked request body exceeds maximum of ${CHUNKS_MAX} non-empty chunks. Send fewer or larger HTTP chunks.`,
};

const FULL: HttpFault = { kind: "refused", status: 503, message: "too many large requests at once: try again" };

export type BodyOutcome = { readonly kind: "whole"; readonly body: Body } | { readonly kind: "fault"; readonly fault: HttpFault };

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

/** The body as one array. Copies unless it is one segment already. */
export function wholeBody(body: Body): Uint8Array {
  const [first] = body.segments;
  if (first === undefined) return new Uint8Array();
  return body.segments.length === 1 ? first : Buffer.concat(body.segments, body.byteLength);
}

/** Copies what arrives, so that large bodies cost their copying as they come and not in one go at the end. */
class Segments {
  readonly #closed: Uint8Array<ArrayBuffer>[] = [];
  #open: Uint8Array<ArrayBuffer>;
  #filled = 0;
  byteLength = 0;

  constructor(bytesExpected: number | undefined) {
    this.#open = new Uint8Array(Math.min(bytesExpected ?? 0, SEGMENT_BYTES));
  }

  append(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.byteLength > 0) {
      if (this.#filled === this.#open.byteLength) this.#grow(rest.byteLength);
      const part = rest.subarray(0, this.#open.byteLength - this.#filled);
      this.#open.set(part, this.#filled);
      this.#filled += part.byteLength;
      rest = rest.subarray(part.byteLength);
    }
    this.byteLength += chunk.byteLength;
  }

  body(): Body {
    const last = this.#filled === this.#open.byteLength ? this.#open : this.#open.slice(0, this.#filled);
    return { byteLength: this.byteLength, segments: last.byteLength === 0 ? this.#closed : [...this.#closed, last] };
  }

  /** Segments double up to their full size: a small body of unknown length takes little. */
  #grow(bytesNeeded: number): void {
    if (this.#filled > 0) this.#closed.push(this.#open);
    this.#open = new Uint8Array(Math.min(SEGMENT_BYTES, Math.max(bytesNeeded, 2 * this.byteLength, 4096)));
    this.#filled = 0;
  }
}

export interface BodyLimits {
  readonly bytesMax: number;
  /** The connection is cut when nothing comes for so long. */
  readonly idleMsMax: number;
  readonly budget: BodyBudget;
}

/**
 * Reads to the end. A body over a limit is answered at once while the rest of it is read and dropped, up to twice
 * `bytesMax` in all: a client that is still writing gets to see the answer, and its connection stays usable.
 * @throws ServingError CANCELLED when the client goes away before the end.
 */
export function readBody(request: IncomingMessage, limits: BodyLimits, sweep: Sweep): Promise<BodyOutcome> {
  const announced = announcedBytes(request);
  if (announced === 0) return Promise.resolve({ kind: "whole", body: EMPTY_BODY });
  const { promise, resolve, reject } = Promise.withResolvers<BodyOutcome>();
  const chunked = announced === undefined;
  let segments: Segments | undefined = announced !== undefined && announced > limits.bytesMax ? undefined : new Segments(announced);
  let [chunks, received, taken, heardAtMs] = [0, 0, 0, sweep.nowMs()];
  const idle: Swept = {
    sweep: (nowMs) => {
      if (nowMs - heardAtMs > limits.idleMsMax) request.destroy();
    },
  };
  const dropRest = (fault: HttpFault) => {
    segments = undefined;
    limits.budget.giveBack(taken);
    taken = 0;
    resolve({ kind: "fault", fault });
  };
  const finish = () => {
    sweep.delete(idle);
    limits.budget.giveBack(taken);
    taken = 0;
  };
  const tooLarge: HttpFault = { kind: "body-too-large", bytes: announced, bytesMax: limits.bytesMax };
  if (segments === undefined) resolve({ kind: "fault", fault: tooLarge });
  sweep.add(idle);
  request.on("data", (chunk: Uint8Array) => {
    heardAtMs = sweep.nowMs();
    received += chunk.byteLength;
    if (segments === undefined) {
      if (received > 2 * limits.bytesMax) request.destroy();
      return;
    }
    chunks++;
    if (received > limits.bytesMax) return dropRest(tooLarge);
    if (chunked && chunks > CHUNKS_MAX) return dropRest(TOO_MANY_CHUNKS);
    if (!limits.budget.take(chunk.byteLength)) return dropRest(FULL);
    taken += chunk.byteLength;
    segments.append(chunk);
  });
  request.on("end", () => {
    finish();
    if (segments !== undefined) resolve({ kind: "whole", body: segments.body() });
  });
  request.on("close", () => {
    finish();
    if (!request.complete) reject(new ServingError("CANCELLED", "the client went away while sending the body"));
  });
  return promise;
}

/** undefined: in chunks, of unknown length. Node has refused lengths that are no numbers. */
function announcedBytes(request: IncomingMessage): number | undefined {
  if (request.headers["transfer-encoding"] !== undefined) return undefined;
  return Number(request.headers["content-length"] ?? 0);
}
