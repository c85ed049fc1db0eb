/** BF16, for which JavaScript has no array: the upper half of an FP32. Read into and written from Float32Array. Pure. */

/** @param bytes 2 a value, little-endian */
export function readBfloat16(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const widened = new Uint32Array(bytes.byteLength / 2);
  for (let index = 0; index < widened.length; index++) widened[index] = view.getUint16(2 * index, true) << 16;
  return new Float32Array(widened.buffer);
}

/** Rounds to the nearest value, to the even one between two. A NaN stays one. */
export function writeBfloat16(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let index = 0; index < halves.length; index++) {
    const word = bits[index] ?? 0;
    const isNan = (word & 0x7fffffff) > 0x7f800000;
    halves[index] = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return new Uint8Array(halves.buffer);
}
