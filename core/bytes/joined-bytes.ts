/** Pieces of one message as one. Pure. */
import { pooledBytes } from "./pooled-bytes.ts";

/** A single piece is given as it is. @param length of all pieces together */
export function joinedBytes(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const bytes = pooledBytes(length); // not cleared before it is filled
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}
