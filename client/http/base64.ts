/** Base64 of files of any size, without Node. Pure. */

/** As many bytes at once as become arguments of one call. */
const BLOCK_BYTES = 0x8000;

export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let start = 0; start < bytes.byteLength; start += BLOCK_BYTES) {
    text += String.fromCharCode(...bytes.subarray(start, start + BLOCK_BYTES));
  }
  return btoa(text);
}
