/** ggml blocks rewritten as `BlockRows` without changing a weight: the formats are those of `NATIVE_FORMATS`. Pure. */
import type { BlockRows } from "./block-rows.ts";
import { halfAt } from "./half.ts";
import { readScales, SUB_BLOCKS } from "./k-scales.ts";
import type { TensorType } from "./tensor-type.ts";

type Kernel = (bytes: Uint8Array, blocks: number, rows: BlockRows) => void;
type QuantizedType = Exclude<TensorType, "F32" | "F16" | "BF16">;

/** Rewrites all of `bytes`. Returns false for float types, which have no blocks. */
export function convertBlocks(type: TensorType, bytes: Uint8Array, rows: BlockRows): boolean {
  if (type === "F32" || type === "F16" || type === "BF16") return false;
  const { kernel, blockBytes } = KERNELS[type];
  kernel(bytes, bytes.length / blockBytes, rows);
  return true;
}

const KERNELS = {
  Q4_0: { blockBytes: 18, kernel: fourBits },
  Q4_1: { blockBytes: 20, kernel: fourBitsWithMinimum },
  Q5_0: { blockBytes: 22, kernel: fiveBits },
  Q5_1: { blockBytes: 24, kernel: fiveBitsWithMinimum },
  Q8_0: { blockBytes: 34, kernel: eightBits },
  Q4_K: { blockBytes: 144, kernel: fourBitSuperBlocks },
  Q5_K: { blockBytes: 176, kernel: fiveBitSuperBlocks },
  Q6_K: { blockBytes: 210, kernel: sixBitSuperBlocks },
} as const satisfies Record<QuantizedType, { blockBytes: number; kernel: Kernel }>;

/** ggml pairs value j with j + 16; ours pairs 2i with 2i + 1. */
function repair(bytes: Uint8Array, from: number, quants: Uint8Array, to: number): void {
  for (let i = 0; i < 8; i++) {
    const even = bytes[from + 2 * i] ?? 0;
    const odd = bytes[from + 2 * i + 1] ?? 0;
    quants[to + i] = (even & 15) | ((odd & 15) << 4);
    quants[to + 8 + i] = (even >> 4) | (odd & 0xf0);
  }
}

function fourBits(bytes: Uint8Array, blocks: number, rows: BlockRows): void {
  for (let b = 0; b < blocks; b++) {
    rows.scales[b] = halfAt(bytes, b * 18);
    repair(bytes, b * 18 + 2, rows.quants, b * 16);
  }
}

/** w = d · q + m = d · (q − 8) + (m + 8 d). */
function fourBitsWithMinimum(bytes: Uint8Array, blocks: number, rows: BlockRows): void {
  for (let b = 0; b < blocks; b++) {
    const scale = halfAt(bytes, b * 20);
    rows.scales[b] = scale;
    rows.corrections[b] = 32 * (halfAt(bytes, b * 20 + 2) + 8 * scale);
    repair(bytes, b * 20 + 4, rows.quants, b * 16);
  }
}

/** Five-bit values around 16, on our zero of 128. `pairsAt`: the 32 fifth bits lie in the four bytes before. */
function fiveBitQuants(bytes: Uint8Array, pairsAt: number, quants: Uint8Array, to: number): void {
  for (let j = 0; j < 32; j++) {
    const pair = bytes[pairsAt + (j & 15)] ?? 0;
    const fifth = ((bytes[pairsAt - 4 + (j >> 3)] ?? 0) >> (j & 7)) & 1;
    quants[to + j] = (j < 16 ? pair & 15 : pair >> 4) + (fifth << 4) + 112;
  }
}

function fiveBits(bytes: Uint8Array, blocks: number, rows: BlockRows): void {
  for (let b = 0; b < blocks; b++) {
    rows.scales[b] = halfAt(bytes, b * 22);
    fiveBitQuants(bytes, b * 22 + 6, rows.quants, b * 32);
  }
}

function fiveBitsWithMinimum(bytes: Uint8Array, blocks: number, rows: BlockRows): void {
  for (let b = 0; b < blocks; b++) {
    const scale = halfAt(bytes, b * 24);
    rows.scales[b] = scale;
    rows.corrections[b] = 32 * (halfAt(bytes, b * 24 + 2) + 16 * scale);
    fiveBitQuants(bytes, b * 24 + 8, rows.quants, b * 32);
  }
}

function eightBits(bytes: Uint8Array, blocks: number, rows: BlockRows): void {
  for (let b = 0; b < blocks; b++) {
    rows.scales[b] = halfAt(bytes, b * 34);
    for (let j = 0; j < 32; j++) rows.quants[b * 32 + j] = (bytes[b * 34 + 2 + j] ?? 0) ^ 128; // two's complement + 128
  }
}

function fourBitSuperBlocks(bytes: Uint8Array, blocks: number, rows: BlockRows): void {
  const scales = new Float32Array(SUB_BLOCKS);
  const minima = new Float32Array(SUB_BLOCKS);
  for (let b = 0; b < blocks; b++) {
    readScales(bytes, b * 144, scales, minima);
    for (let sub = 0; sub < SUB_BLOCKS; sub++) {
      const scale = scales[sub] ?? 0;
      rows.scales[b * SUB_BLOCKS + sub] = scale;
      rows.corrections[b * SUB_BLOCKS + sub] = 32 * (8 * scale - (minima[sub] ?? 0));
      const from = b * 144 + 16 + 32 * (sub >> 1);
      const to = b * 128 + 16 * sub;
      for (let i = 0; i < 16; i++) {
        const even = bytes[from + 2 * i] ?? 0;
        const odd = bytes[from + 2 * i + 1] ?? 0;
        rows.quants[to + i] = (sub & 1) === 1 ? (even >> 4) | (odd & 0xf0) : (even & 15) | ((odd & 15) << 4);
      }
    }
  }
}

function fiveBitSuperBlocks(bytes: Uint8Array, blocks: number, rows: BlockRows): void {
  const scales = new Float32Array(SUB_BLOCKS);
  const minima = new Float32Array(SUB_BLOCKS);
  for (let b = 0; b < blocks; b++) {
    readScales(bytes, b * 176, scales, minima);
    for (let sub = 0; sub < SUB_BLOCKS; sub++) {
      const scale = scales[sub] ?? 0;
      rows.scales[b * SUB_BLOCKS + sub] = scale;
      rows.corrections[b * SUB_BLOCKS + sub] = 32 * (16 * scale - (minima[sub] ?? 0));
      for (let l = 0; l < 32; l++) {
        const pair = bytes[b * 176 + 48 + 32 * (sub >> 1) + l] ?? 0;
        const fifth = ((bytes[b * 176 + 16 + l] ?? 0) >> sub) & 1;
        rows.quants[b * 256 + 32 * sub + l] = ((sub & 1) === 1 ? pair >> 4 : pair & 15) + (fifth << 4) + 112;
      }
    }
  }
}

/** Six-bit values around 32 with a scale per sixteen. */
function sixBitSuperBlocks(bytes: Uint8Array, blocks: number, rows: BlockRows): void {
  for (let b = 0; b < blocks; b++) {
    const at = b * 210;
    const scale = halfAt(bytes, at + 208);
    for (let i = 0; i < 16; i++) rows.scales[b * 16 + i] = scale * (((bytes[at + 192 + i] ?? 0) << 24) >> 24);
    for (let half = 0; half < 2; half++) {
      for (let l = 0; l < 32; l++) {
        const first = bytes[at + half * 64 + l] ?? 0;
        const second = bytes[at + half * 64 + 32 + l] ?? 0;
        const top = bytes[at + 128 + half * 32 + l] ?? 0;
        const to = b * 256 + half * 128 + l;
        rows.quants[to] = ((first & 15) | ((top & 3) << 4)) + 96;
        rows.quants[to + 32] = ((second & 15) | (((top >> 2) & 3) << 4)) + 96;
        rows.quants[to + 64] = ((first >> 4) | (((top >> 4) & 3) << 4)) + 96;
        rows.quants[to + 96] = ((second >> 4) | ((top >> 6) << 4)) + 96;
      }
    }
  }
}
