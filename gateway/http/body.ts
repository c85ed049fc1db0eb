/** A request's body, as handlers get it. */
import type { Memory } from "../../core/bytes/lent-memory.ts";

/** A body in the pieces in which it is kept: never joined unless somebody needs it whole. */
export interface Body {
  readonly byteLength: number;
  /** Nobody else uses their memory: together they may be transferred to a worker. */
  readonly segments: readonly Uint8Array<ArrayBuffer>[];
  /** Of large segments, where their memory is used again. */
  readonly memory?: Memory | undefined;
}

export const EMPTY_BODY: Body = { byteLength: 0, segments: [] };

/** The body as one array. Copies unless it is one segment already. */
export function wholeBody(body: Body): Uint8Array {
  const [first] = body.segments;
  if (first === undefined) return new Uint8Array();
  return body.segments.length === 1 ? first : Buffer.concat(body.segments, body.byteLength);
}
