/** f32 weights to symmetric blocks of four or eight bits. Pure. */
import type { BlockRows } from "./block-rows.ts";

const BLOCK = 32;

/** 8 bits: the largest magnitude of a block maps to ±127. Writes `rows` (format INT8). */
export function quantizeInt8(weights: Float32Array, rows: BlockRows): void {
  const { quants, scales } = rows;
  for (let at = 0, b = 0; at < weights.length; at += BLOCK, b++) {
    let largest = 0;
    for (let i = at; i < at + BLOCK; i++) {
      const magnitude = Math.abs(weights[i] ?? 0);
      if (magnitude > largest) largest = magnitude;
    }
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : 1 / scale;
    scales[b] = scale;
    for (let i = at; i < at + BLOCK; i++) quants[i] = Math.min(255, Math.floor((weights[i] ?? 0) * inverse + 128.5));
  }
}

/** 4 bits: the value of the largest magnitude maps to −8, so that a scale may be negative. Writes `rows` (format INT4). */
export function quantizeInt4(weights: Float32Array, rows: BlockRows): void {
  const { quants, scales } = rows;
  for (let at = 0, b = 0; at < weights.length; at += BLOCK, b++) {
    let extreme = 0;
    for (let i = at; i < at + BLOCK; i++) {
      const weight = weights[i] ?? 0;
      if (Math.abs(weight) > Math.abs(extreme)) extreme = weight;
    }
    const scale = Math.fround(extreme / -8);
    const inverse = scale === 0 ? 0 : 1 / scale;
    scales[b] = scale;
    for (let i = at; i < at + BLOCK; i += 2) {
      const low = Math.min(15, Math.max(0, Math.floor((weights[i] ?? 0) * inverse + 8.5)));
      const high = Math.min(15, Math.max(0, Math.floor((weights[i + 1] ?? 0) * inverse + 8.5)));
      quants[i >> 1] = low | (high << 4);
    }
  }
}
