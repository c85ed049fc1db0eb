/** The packed scales of Q4_K and Q5_K. Pure. */
import { halfAt } from "./half.ts";

export const SUB_BLOCKS = 8;

/**
 * Scale and minimum of the eight 32-wide sub-blocks of the super-block at `offset`: w = scale · q − minimum.
 * Both are f32-exact products of a half and six bits. Source: get_scale_min_k4 in ggml-quants.c.
 *
 * @param scales out, f32[8]
 * @param minima out, f32[8]
 */
export function readScales(bytes: Uint8Array, offset: number, scales: Float32Array, minima: Float32Array): void {
  const scale = halfAt(bytes, offset);
  const minimum = halfAt(bytes, offset + 2);
  const packed = offset + 4;
  for (let j = 0; j < SUB_BLOCKS; j++) {
    const low = bytes[packed + j] ?? 0;
    const high = bytes[packed + j + 4] ?? 0;
    const top = j < 4 ? 0 : (bytes[packed + j - 4] ?? 0);
    scales[j] = scale * (j < 4 ? low & 63 : (high & 15) | ((top >> 6) << 4));
    minima[j] = minimum * (j < 4 ? high & 63 : (high >> 4) | ((low >> 6) << 4));
  }
}
