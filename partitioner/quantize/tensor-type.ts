/** The types that a checkpoint's tensors may have: ggml's names, of which safetensors knows the first three. Pure. */

/** Values per block and bytes per block. Source: ggml-common.h of llama.cpp. */
export const TENSOR_TYPES = {
  F32: { block: 1, bytes: 4 },
  F16: { block: 1, bytes: 2 },
  BF16: { block: 1, bytes: 2 },
  Q4_0: { block: 32, bytes: 18 },
  Q4_1: { block: 32, bytes: 20 },
  Q5_0: { block: 32, bytes: 22 },
  Q5_1: { block: 32, bytes: 24 },
  Q8_0: { block: 32, bytes: 34 },
  Q4_K: { block: 256, bytes: 144 },
  Q5_K: { block: 256, bytes: 176 },
  Q6_K: { block: 256, bytes: 210 },
} as const;

export type TensorType = keyof typeof TENSOR_TYPES;

export function isTensorType(text: string): text is TensorType {
  return Object.hasOwn(TENSOR_TYPES, text);
}

export const isFloatType = (type: TensorType): boolean => TENSOR_TYPES[type].block === 1;

/** Bytes of `values` consecutive values; a whole number only where they fill their blocks. */
export const bytesOf = (type: TensorType, values: number): number => (values / TENSOR_TYPES[type].block) * TENSOR_TYPES[type].bytes;
