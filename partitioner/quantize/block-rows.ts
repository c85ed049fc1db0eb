/** Rows of weights in a `BlockFormat`, as arrays. Pure. */
import type { BlockFormat } from "./weight-format.ts";

export interface BlockRows {
  /** u8[values · bits / 8]: two four-bit values a byte, the earlier in the low half. */
  readonly quants: Uint8Array;
  /** f32, one a block. */
  readonly scales: Float32Array;
  /** f32, one a block: `block` times what is to be added to each of its weights, so that it multiplies the block's mean. Empty without. */
  readonly corrections: Float32Array;
}

/** Zeroed rows for `values` values. */
export function emptyBlockRows(format: BlockFormat, values: number): BlockRows {
  const blocks = values / format.block;
  return {
    quants: new Uint8Array((values * format.bits) / 8),
    scales: new Float32Array(blocks),
    corrections: new Float32Array(format.corrected ? blocks : 0),
  };
}

/** The weights that `rows` stand for, in f32: what the runtime's own dequantizing gives, with the correction added. */
export function weightsOf(format: BlockFormat, rows: BlockRows): Float32Array {
  const { bits, block } = format;
  const weights = new Float32Array((rows.quants.length * 8) / bits);
  for (let i = 0; i < weights.length; i++) {
    const b = Math.floor(i / block);
    const q = bits === 8 ? (rows.quants[i] ?? 0) - 128 : (((rows.quants[i >> 1] ?? 0) >> ((i & 1) * 4)) & 15) - 8;
    weights[i] = q * (rows.scales[b] ?? 0) + (rows.corrections[b] ?? 0) / block;
  }
  return weights;
}
