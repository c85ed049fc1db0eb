/** Checkpoint blocks to f32, bit for bit as llama.cpp does. Block layouts: ggml-common.h, ggml-quants.c. Pure. */
import { assert } from "../../core/errors.ts";
import { HALF_VALUES, halfAt } from "./half.ts";
import { readScales, SUB_BLOCKS } from "./k-scales.ts";
import type { TensorType } from "./tensor-type.ts";
import { bytesOf } from "./tensor-type.ts";

type Kernel = (bytes: Uint8Array, values: Float32Array) => void;

/**
 * The first `values.length` values that `bytes` holds, written to `values`.
 *
 * @param values out; its length fills whole blocks
 */
export function dequantize(type: TensorType, bytes: Uint8Array, values: Float32Array): Float32Array {
  assert(bytes.length >= bytesOf(type, values.length), `${bytes.length} bytes hold less than ${values.length} ${type} values`);
  KERNELS[type](bytes, values);
  return values;
}

const KERNELS = {
  F32: (bytes, values) =>
    void new Uint8Array(values.buffer, values.byteOffset, values.byteLength).set(bytes.subarray(0, values.byteLength)),
  F16(bytes, values) {
    for (let i = 0; i < values.length; i++) values[i] = HALF_VALUES[(bytes[2 * i] ?? 0) | ((bytes[2 * i + 1] ?? 0) << 8)] ?? 0;
  },
  BF16(bytes, values) {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < values.length; i++) bits[i] = ((bytes[2 * i] ?? 0) | ((bytes[2 * i + 1] ?? 0) << 8)) << 16;
  },
  Q4_0: (bytes, values) => fourBits(bytes, values, { blockBytes: 18, hasMinimum: false }),
  Q4_1: (bytes, values) => fourBits(bytes, values, { blockBytes: 20, hasMinimum: true }),
  Q5_0: (bytes, values) => fiveBits(bytes, values, { blockBytes: 22, hasMinimum: false }),
  Q5_1: (bytes, values) => fiveBits(bytes, values, { blockBytes: 24, hasMinimum: true }),
  Q8_0(bytes, values) {
    for (let at = 0, out = 0; out < values.length; at += 34, out += 32) {
      const scale = halfAt(bytes, at);
      for (let j = 0; j < 32; j++) values[out + j] = (((bytes[at + 2 + j] ?? 0) << 24) >> 24) * scale;
    }
  },
  Q4_K: (bytes, values) => superBlocks(bytes, values, { blockBytes: 144, fiveBits: false }),
  Q5_K: (bytes, values) => superBlocks(bytes, values, { blockBytes: 176, fiveBits: true }),
  Q6_K(bytes, values) {
    for (let at = 0, out = 0; out < values.length; at += 210, out += 256) sixBitBlock(bytes, at, values, out);
  },
} as const satisfies Record<TensorType, Kernel>;

/** Byte j of a block holds value j in its low half and value j + 16 in its high half. */
function fourBits(bytes: Uint8Array, values: Float32Array, layout: { blockBytes: number; hasMinimum: boolean }): void {
  const { blockBytes, hasMinimum } = layout;
  const quants = hasMinimum ? 4 : 2;
  for (let at = 0, out = 0; out < values.length; at += blockBytes, out += 32) {
    const scale = halfAt(bytes, at);
    const minimum = hasMinimum ? halfAt(bytes, at + 2) : 0;
    const center = hasMinimum ? 0 : 8;
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + quants + j] ?? 0;
      values[out + j] = ((pair & 15) - center) * scale + minimum;
      values[out + 16 + j] = ((pair >> 4) - center) * scale + minimum;
    }
  }
}

/** As four bits, with the fifth bit of value j in bit j of a 32-bit word before the pairs. */
function fiveBits(bytes: Uint8Array, values: Float32Array, layout: { blockBytes: number; hasMinimum: boolean }): void {
  const { blockBytes, hasMinimum } = layout;
  const fifths = hasMinimum ? 4 : 2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, out = 0; out < values.length; at += blockBytes, out += 32) {
    const scale = halfAt(bytes, at);
    const minimum = hasMinimum ? halfAt(bytes, at + 2) : 0;
    const center = hasMinimum ? 0 : 16;
    const fifth = view.getUint32(at + fifths, true);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + fifths + 4 + j] ?? 0;
      values[out + j] = ((pair & 15) + (((fifth >>> j) & 1) << 4) - center) * scale + minimum;
      values[out + 16 + j] = ((pair >> 4) + (((fifth >>> (j + 16)) & 1) << 4) - center) * scale + minimum;
    }
  }
}

/** Q4_K and Q5_K: 256 values with eight scales and minima; 32 bytes of pairs hold sub-blocks 2j (low halves) and 2j + 1 (high). */
function superBlocks(bytes: Uint8Array, values: Float32Array, layout: { blockBytes: number; fiveBits: boolean }): void {
  const scales = new Float32Array(SUB_BLOCKS);
  const minima = new Float32Array(SUB_BLOCKS);
  for (let at = 0, out = 0; out < values.length; at += layout.blockBytes, out += 256) {
    readScales(bytes, at, scales, minima);
    const fifths = at + 16;
    const pairs = layout.fiveBits ? at + 48 : at + 16;
    for (let sub = 0; sub < SUB_BLOCKS; sub++) {
      const scale = scales[sub] ?? 0;
      const minimum = minima[sub] ?? 0;
      for (let l = 0; l < 32; l++) {
        const pair = bytes[pairs + 32 * (sub >> 1) + l] ?? 0;
        const fifth = layout.fiveBits ? (((bytes[fifths + l] ?? 0) >> sub) & 1) << 4 : 0;
        values[out + 32 * sub + l] = scale * (((sub & 1) === 1 ? pair >> 4 : pair & 15) + fifth) - minimum;
      }
    }
  }
}

/** 256 six-bit values around 32 with sixteen 8-bit scales: two halves of 128, each in four runs of 32. */
function sixBitBlock(bytes: Uint8Array, at: number, values: Float32Array, out: number): void {
  const scale = halfAt(bytes, at + 208);
  for (let half = 0; half < 2; half++) {
    for (let l = 0; l < 32; l++) {
      const first = bytes[at + half * 64 + l] ?? 0;
      const second = bytes[at + half * 64 + 32 + l] ?? 0;
      const top = bytes[at + 128 + half * 32 + l] ?? 0;
      const to = out + half * 128 + l;
      const scalesAt = at + 192 + half * 8 + (l >> 4);
      values[to] = scale * signed(bytes, scalesAt) * (((first & 15) | ((top & 3) << 4)) - 32);
      values[to + 32] = scale * signed(bytes, scalesAt + 2) * (((second & 15) | (((top >> 2) & 3) << 4)) - 32);
      values[to + 64] = scale * signed(bytes, scalesAt + 4) * (((first >> 4) | (((top >> 4) & 3) << 4)) - 32);
      values[to + 96] = scale * signed(bytes, scalesAt + 6) * (((second >> 4) | ((top >> 6) << 4)) - 32);
    }
  }
}

const signed = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 24) >> 24;
