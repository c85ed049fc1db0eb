/**
 * Tensors as they travel: a head and raw bytes. Numbers are little-endian, row-major, without padding; a BOOL is one byte; an
 * element of BYTES is a 4-byte little-endian length and the bytes (KServe v2, binary tensor data extension). Pure.
 */
import { joinedBytes } from "../bytes/joined-bytes.ts";
import { ServingError } from "../errors.ts";
import { DTYPES, type Dtype } from "./dtype.ts";

export type Shape = readonly number[];

/** What a tensor is, without its bytes. */
export interface TensorHead {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
}

/** `data` belongs to whoever made the tensor; nobody changes it. Not aligned: copy before making a wider typed array of it. */
export interface Tensor extends TensorHead {
  readonly data: Uint8Array;
  /** The same bytes as they arrived, where that was in several pieces: whoever passes them on takes these, and nobody joins them. */
  readonly parts?: readonly Uint8Array[];
}

const NO_BYTES = new Uint8Array(0);

/** A tensor whose bytes are these pieces, one after another: they are joined when somebody asks for `data`. */
export function tensorOf({ name, dtype, shape }: TensorHead, parts: readonly Uint8Array[]): Tensor {
  const [only = NO_BYTES] = parts;
  if (parts.length < 2) return { name, dtype, shape, data: only };
  let joined: Uint8Array | undefined;
  const tensor = {
    name,
    dtype,
    shape,
    get data(): Uint8Array {
      joined ??= joinedBytes(parts, bytesOf(parts));
      return joined;
    },
  };
  // Not for copies by spread: one with other data would keep these.
  return Object.defineProperty(tensor, "parts", { value: parts, enumerable: false });
}

/** Its bytes in the pieces in which they are there. */
export const partsOf = (tensor: Tensor): readonly Uint8Array[] => tensor.parts ?? [tensor.data];

/** How many bytes it has; joins nothing. */
export const dataBytes = (tensor: Tensor): number => (tensor.parts === undefined ? tensor.data.byteLength : bytesOf(tensor.parts));

/** Of all pieces together. */
export function bytesOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  return bytes;
}

/** The number of elements. @throws ServingError INVALID_ARGUMENT when it passes what a number holds exactly. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count)) throw new ServingError("INVALID_ARGUMENT", `shape [${shape.join(",")}] has too many elements`);
  }
  return count;
}

/** Bytes of a tensor of fixed-size elements; undefined for BYTES. */
export function byteSize(dtype: Dtype, shape: Shape): number | undefined {
  const { bytes } = DTYPES[dtype];
  return bytes === 0 ? undefined : elementCount(shape) * bytes;
}

/** Splits the data of a BYTES tensor. @throws ServingError INVALID_ARGUMENT when a length is cut short or passes the end. */
export function bytesElements(data: Uint8Array): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  for (let offset = 0; offset < data.byteLength; ) {
    const left = data.byteLength - offset;
    const length = left < 4 ? Number.POSITIVE_INFINITY : view.getUint32(offset, true);
    if (length > left - 4) throw new ServingError("INVALID_ARGUMENT", `incomplete string at byte ${offset} of ${data.byteLength}`);
    elements.push(data.subarray(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return elements;
}

/** The data of a BYTES tensor with these elements. */
export function joinBytesElements(elements: readonly Uint8Array[]): Uint8Array {
  const data = new Uint8Array(elements.reduce((sum, element) => sum + 4 + element.byteLength, 0));
  const view = new DataView(data.buffer);
  let offset = 0;
  for (const element of elements) {
    view.setUint32(offset, element.byteLength, true);
    data.set(element, offset + 4);
    offset += 4 + element.byteLength;
  }
  return data;
}
