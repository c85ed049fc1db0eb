/** Inputs of an inference: typed tensors, or places in the server's shared memory. Pure. */
import type { Dtype } from "../core/tensor/dtype.ts";
import { byteSize, bytesElements, elementCount, type Shape, type Tensor, type TensorHead } from "../core/tensor/tensor.ts";
import { unsendable } from "./client-error.ts";
import { type ElementValues, writeElements } from "./elements.ts";

/** A part of a registered shared-memory region. */
export interface SharedRange {
  readonly region: string;
  readonly bytes: number;
  /** 0 unless said. */
  readonly offset?: number;
}

/** An input whose data the server reads from shared memory. */
export interface SharedTensor extends TensorHead {
  readonly shared: SharedRange;
}

export type InferInput = Tensor | SharedTensor;

/**
 * A tensor to send, such as `tensor("INPUT0", "FP32", [1, 16], new Float32Array(16))`. A typed array is not copied: leave it as it
 * is until the answer is there.
 * @param values row-major
 * @throws ClientError INVALID_ARGUMENT when there are not as many elements as the shape says, or one does not fit the datatype
 */
export function tensor<D extends Dtype>(name: string, dtype: D, shape: Shape, values: ElementValues[D]): Tensor {
  checkShape(name, shape);
  const count = elementCount(shape);
  if (values.length !== count) throw miscounted(name, shape, `${values.length} elements`);
  return { name, dtype, shape, data: writeElements(dtype, values) };
}

/**
 * A tensor from bytes as they travel: little-endian; elements of BYTES behind their 4-byte lengths.
 * @throws ClientError INVALID_ARGUMENT when the bytes are not as many as the shape says
 */
export function rawTensor(name: string, dtype: Dtype, shape: Shape, data: Uint8Array): Tensor {
  checkShape(name, shape);
  const wanted = byteSize(dtype, shape);
  if (wanted === undefined) {
    const found = bytesElements(data).length;
    if (found !== elementCount(shape)) throw miscounted(name, shape, `${found} elements`);
  } else if (data.byteLength !== wanted) throw miscounted(name, shape, `${data.byteLength} bytes, not ${wanted},`);
  return { name, dtype, shape, data };
}

/** An input that the server reads from a region registered before. */
export function sharedTensor(name: string, dtype: Dtype, shape: Shape, shared: SharedRange): SharedTensor {
  checkShape(name, shape);
  return { name, dtype, shape, shared };
}

function checkShape(name: string, shape: Shape): void {
  if (shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return;
  throw unsendable(`the shape [${shape.join(",")}] of '${name}' has a size that is no whole number from 0 on`);
}

function miscounted(name: string, shape: Shape, given: string) {
  return unsendable(`'${name}' has ${given} for the shape [${shape.join(",")}] of ${elementCount(shape)} elements`);
}
