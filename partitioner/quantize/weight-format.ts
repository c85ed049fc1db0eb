/** How a shard holds the weights of a linear or an embedding. Pure. */
import type { Quantization } from "../../core/model/shard-description.ts";
import { isFloatType, type TensorType } from "./tensor-type.ts";

/**
 * The layout of ONNX Runtime's MatMulNBits and GatherBlockQuantized, for rows of K values: `bits` a value, low halves first, a
 * scale per `block`; w = scale · (q − 2^(bits − 1)). Where `corrected`, each block also has a number C / block to be added to
 * each of its weights: ggml types with a minimum need it, since integer zero points cannot hold one and float ones are slow.
 */
export interface BlockFormat {
  readonly kind: "blocks";
  readonly bits: 4 | 8;
  readonly block: 16 | 32;
  readonly corrected: boolean;
}

export type WeightFormat = { readonly kind: "float" } | BlockFormat;

export const FLOAT: WeightFormat = { kind: "float" };
export const INT8: BlockFormat = { kind: "blocks", bits: 8, block: 32, corrected: false };
export const INT4: BlockFormat = { kind: "blocks", bits: 4, block: 32, corrected: false };
const INT4_CORRECTED: BlockFormat = { ...INT4, corrected: true };
const INT8_CORRECTED: BlockFormat = { ...INT8, corrected: true };
const INT8_NARROW: BlockFormat = { ...INT8, block: 16 };

/** The format that holds each type exactly. Five-bit values are kept around their middle, so that activations lose least. */
export const NATIVE_FORMATS = {
  F32: FLOAT,
  F16: FLOAT,
  BF16: FLOAT,
  Q4_0: INT4,
  Q4_1: INT4_CORRECTED,
  Q5_0: INT8,
  Q5_1: INT8_CORRECTED,
  Q8_0: INT8,
  Q4_K: INT4_CORRECTED,
  Q5_K: INT8_CORRECTED,
  Q6_K: INT8_NARROW,
} as const satisfies Record<TensorType, WeightFormat>;

/** `vocabulary`: embedding and head, which lose too much in four bits. */
export type WeightRole = "layer" | "vocabulary";

/** Rows that do not fill 32-wide blocks stay f32 in every tier. */
export function weightFormat(weight: { type: TensorType; columns: number; role: WeightRole; quantization: Quantization }): WeightFormat {
  const { type, columns, role, quantization } = weight;
  switch (quantization) {
    case "fp32":
      return FLOAT;
    case "native":
      return NATIVE_FORMATS[type];
    case "int8":
      return columns % INT8.block === 0 ? INT8 : FLOAT;
    case "int4":
      if (columns % INT4.block !== 0) return FLOAT;
      return role === "vocabulary" ? INT8 : INT4;
  }
}

/** What "auto" stands for: a quantized checkpoint keeps its blocks, a float one becomes int8. */
export function automaticQuantization(types: readonly TensorType[]): Quantization {
  return types.some((type) => !isFloatType(type)) ? "native" : "int8";
}

export function isSameFormat(one: WeightFormat, other: WeightFormat): boolean {
  if (one.kind === "float" || other.kind === "float") return one.kind === other.kind;
  return one.bits === other.bits && one.block === other.block && one.corrected === other.corrected;
}

/** Bytes of one row of `columns` values: its quants (or floats), scales and corrections. */
export function rowBytes(format: WeightFormat, columns: number): { data: number; scales: number; corrections: number } {
  if (format.kind === "float") return { data: columns * 4, scales: 0, corrections: 0 };
  const blocks = columns / format.block;
  return { data: (columns * format.bits) / 8, scales: blocks * 4, corrections: format.corrected ? blocks * 4 : 0 };
}
