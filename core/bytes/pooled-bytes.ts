/** Bytes for messages: from Node's pool when they are few, so that none of them has memory of its own to clear and to collect. Pure. */
import { Buffer } from "node:buffer";

/** Whatever was there before; to be overwritten. Not a Buffer, whose `slice` copies nothing. */
export function pooledBytes(count: number): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset } = Buffer.allocUnsafe(count);
  return new Uint8Array(buffer, byteOffset, count);
}

/** A copy. */
export function pooledCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = pooledBytes(bytes.byteLength);
  copy.set(bytes);
  return copy;
}

export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
