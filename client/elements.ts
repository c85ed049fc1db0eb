/**
 * Elements of tensors as JavaScript has them, and their bytes. Little-endian machines only, as all that Node is built for in
 * practice are. Pure.
 */
import type { Dtype } from "../core/tensor/dtype.ts";
import { bytesElements, joinBytesElements } from "../core/tensor/tensor.ts";
import { readBfloat16, writeBfloat16 } from "./bfloat16.ts";
import { ClientError, unsendable } from "./client-error.ts";

/** What the elements of a tensor are read as. */
export interface ElementArrays {
  /** 0 or 1 each. */
  readonly BOOL: Uint8Array;
  readonly UINT8: Uint8Array;
  readonly UINT16: Uint16Array;
  readonly UINT32: Uint32Array;
  readonly UINT64: BigUint64Array;
  readonly INT8: Int8Array;
  readonly INT16: Int16Array;
  readonly INT32: Int32Array;
  readonly INT64: BigInt64Array;
  /** Needs a run-time that has it, such as Node 24. */
  readonly FP16: Float16Array;
  readonly FP32: Float32Array;
  readonly FP64: Float64Array;
  readonly BYTES: readonly Uint8Array[];
  /** Widened: JavaScript has no array of BF16. */
  readonly BF16: Float32Array;
}

type Whole = readonly number[];
type Whole64 = readonly (number | bigint)[];

/** What a tensor's elements may be given as, row-major: the typed array goes as it is, lists are checked and converted. */
export interface ElementValues {
  readonly BOOL: Uint8Array | readonly boolean[];
  readonly UINT8: Uint8Array | Whole;
  readonly UINT16: Uint16Array | Whole;
  readonly UINT32: Uint32Array | Whole;
  readonly UINT64: BigUint64Array | Whole64;
  readonly INT8: Int8Array | Whole;
  readonly INT16: Int16Array | Whole;
  readonly INT32: Int32Array | Whole;
  readonly INT64: BigInt64Array | Whole64;
  readonly FP16: Float16Array | readonly number[];
  readonly FP32: Float32Array | readonly number[];
  readonly FP64: Float64Array | readonly number[];
  /** Strings go as UTF-8. */
  readonly BYTES: readonly (string | Uint8Array)[];
  /** Rounded to BF16. */
  readonly BF16: Float32Array | readonly number[];
}

type Readers = { readonly [D in Dtype]: (bytes: Uint8Array) => ElementArrays[D] };
type Writers = { readonly [D in Dtype]: (values: ElementValues[D]) => Uint8Array };

const READERS: Readers = {
  BOOL: (bytes) => bytes,
  UINT8: (bytes) => bytes,
  UINT16: (bytes) => new Uint16Array(...span(bytes, 2)),
  UINT32: (bytes) => new Uint32Array(...span(bytes, 4)),
  UINT64: (bytes) => new BigUint64Array(...span(bytes, 8)),
  INT8: (bytes) => new Int8Array(...span(bytes, 1)),
  INT16: (bytes) => new Int16Array(...span(bytes, 2)),
  INT32: (bytes) => new Int32Array(...span(bytes, 4)),
  INT64: (bytes) => new BigInt64Array(...span(bytes, 8)),
  FP16: (bytes) => new (float16())(...span(bytes, 2)),
  FP32: (bytes) => new Float32Array(...span(bytes, 4)),
  FP64: (bytes) => new Float64Array(...span(bytes, 8)),
  BYTES: bytesElements,
  BF16: readBfloat16,
};

const WRITERS: Writers = {
  BOOL: (values) => (values instanceof Uint8Array ? values : Uint8Array.from(values, Number)),
  UINT8: (values) => (values instanceof Uint8Array ? values : bytesOf(exact(Uint8Array.from(values), values))),
  UINT16: (values) => bytesOf(values instanceof Uint16Array ? values : exact(Uint16Array.from(values), values)),
  UINT32: (values) => bytesOf(values instanceof Uint32Array ? values : exact(Uint32Array.from(values), values)),
  UINT64: (values) => bytesOf(values instanceof BigUint64Array ? values : exact64(BigUint64Array.from(values, toBigInt), values)),
  INT8: (values) => bytesOf(values instanceof Int8Array ? values : exact(Int8Array.from(values), values)),
  INT16: (values) => bytesOf(values instanceof Int16Array ? values : exact(Int16Array.from(values), values)),
  INT32: (values) => bytesOf(values instanceof Int32Array ? values : exact(Int32Array.from(values), values)),
  INT64: (values) => bytesOf(values instanceof BigInt64Array ? values : exact64(BigInt64Array.from(values, toBigInt), values)),
  FP16: (values) => bytesOf(ArrayBuffer.isView(values) ? values : float16().from(values)),
  FP32: (values) => bytesOf(values instanceof Float32Array ? values : Float32Array.from(values)),
  FP64: (values) => bytesOf(values instanceof Float64Array ? values : Float64Array.from(values)),
  BYTES: (values) => joinBytesElements(values.map((value) => (typeof value === "string" ? ENCODER.encode(value) : value))),
  BF16: (values) => writeBfloat16(values instanceof Float32Array ? values : Float32Array.from(values)),
};

const ENCODER = new TextEncoder();

/**
 * A view of the bytes where they are aligned, else a copy.
 * @throws ServingError INVALID_ARGUMENT for BYTES whose lengths do not add up
 */
export function readElements<D extends Dtype>(dtype: D, bytes: Uint8Array): ElementArrays[D] {
  return READERS[dtype](bytes);
}

/** The bytes of a typed array are not copied. @throws ClientError INVALID_ARGUMENT for a number that the datatype cannot hold */
export function writeElements<D extends Dtype>(dtype: D, values: ElementValues[D]): Uint8Array {
  return WRITERS[dtype](values);
}

function span(bytes: Uint8Array, size: number): [buffer: ArrayBufferLike, offset: number, length: number] {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes); // a Buffer's slice is no copy
  return [buffer, byteOffset, Math.floor(byteLength / size)];
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Typed arrays wrap and round what they cannot hold: told, instead of another value sent. */
function exact<T extends ArrayLike<number>>(converted: T, values: readonly number[]): T {
  const at = values.findIndex((value, index) => converted[index] !== value);
  if (at === -1) return converted;
  throw unsendable(`element ${at}, ${values[at]}, does not fit into ${converted.constructor.name.replace("Array", "")}`);
}

function exact64<T extends ArrayLike<bigint>>(converted: T, values: readonly (number | bigint)[]): T {
  const at = values.findIndex((value, index) => converted[index] !== toBigInt(value));
  if (at === -1) return converted;
  throw unsendable(`element ${at}, ${values[at]}, does not fit into ${converted.constructor.name.replace("Array", "")}`);
}

function toBigInt(value: number | bigint): bigint {
  if (typeof value === "bigint") return value;
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw unsendable(`${value} is no whole number that a number holds exactly: give a bigint`);
}

function float16(): Float16ArrayConstructor {
  if (typeof Float16Array === "function") return Float16Array;
  throw new ClientError("UNIMPLEMENTED", "this run-time has no Float16Array, Node 24 has: use the tensor's bytes instead");
}
