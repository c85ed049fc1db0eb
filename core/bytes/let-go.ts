/**
 * Gives memory back at once: each chunk of a socket has memory of its own, and waiting for V8 to find out that nobody reads it any
 * more means a collection of the whole heap for every few dozen megabytes that arrive. Pure.
 */

/** Smaller ones are not worth the call. */
const LET_GO_BYTES_MIN = 16 * 1024;

/** The chunk is empty afterwards, and so is whatever else lies in its memory; one that shares its memory stays as it is. */
export function letGo({ buffer, byteLength }: Uint8Array<ArrayBuffer>): void {
  if (byteLength >= LET_GO_BYTES_MIN && byteLength === buffer.byteLength) buffer.transfer(0);
}
