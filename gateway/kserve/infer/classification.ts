/** The classification extension: the largest values of an output, each as `value:index` or `value:index:label`. Pure. */
import type { Dtype } from "../../../core/tensor/dtype.ts";
import { joinBytesElements, type Tensor } from "../../../core/tensor/tensor.ts";
import { invalid } from "../triton-error.ts";

const CLASSES_MAX = 1_000_000;
/** Up to so many are kept in order while the values pass; for more, all are sorted. */
const KEPT_MAX = 64;

const VALUES = {
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP32: Float32Array,
  FP64: Float64Array,
};

type Values = InstanceType<(typeof VALUES)[keyof typeof VALUES]>;

export interface ClassificationOptions {
  /** How many are wanted; fewer come where there are fewer. */
  readonly classes: number;
  /** The first dimension is a batch: each of its rows is classified by itself. */
  readonly batched: boolean;
  /** One per class; may be empty. */
  readonly labels: readonly string[];
}

/** @throws ServingError INVALID_ARGUMENT for types without an order, and for tensors over the limit */
export function classify(tensor: Tensor, { classes, batched, labels }: ClassificationOptions): Tensor {
  const { name, dtype, shape, data } = tensor;
  if (!isOrdered(dtype)) throw invalid(`class result not available for output due to unsupported type '${dtype}'`);
  const values: Values = new VALUES[dtype](new Uint8Array(data).buffer);
  if (values.length > CLASSES_MAX) throw invalid("classification output tensor too large");
  const batch = batched ? (shape[0] ?? 1) : undefined;
  const width = values.length / Math.max(1, batch ?? 1);
  const kept = Math.min(classes, width);
  const isReal = dtype === "FP32" || dtype === "FP64";
  const elements: Uint8Array[] = [];
  for (let row = 0; row < (batch ?? 1); row++) {
    for (const index of largest(values.subarray(row * width, (row + 1) * width), kept)) {
      const value = values[row * width + index] ?? 0;
      const label = labels[index];
      elements.push(Buffer.from(`${isReal ? sixDecimals(Number(value)) : value}:${index}${label === undefined ? "" : `:${label}`}`));
    }
  }
  return { name, dtype: "BYTES", shape: batch === undefined ? [kept] : [batch, kept], data: joinBytesElements(elements) };
}

function isOrdered(dtype: Dtype): dtype is keyof typeof VALUES {
  return Object.hasOwn(VALUES, dtype);
}

/** Indices of the largest values, the largest first, the lower index first among equals. */
function largest(values: Values, count: number): readonly number[] {
  if (count > KEPT_MAX) {
    return [...values.keys()].sort((a, b) => below(values, a, b) || a - b).slice(0, count);
  }
  const kept: number[] = [];
  for (let index = 0; index < values.length; index++) {
    let place = kept.length;
    while (place > 0 && below(values, kept[place - 1] ?? 0, index) > 0) place--;
    if (place < count) {
      kept.splice(place, 0, index);
      if (kept.length > count) kept.pop();
    }
  }
  return kept;
}

/** Above 0 when the value at `a` is below that at `b`. NaN is below everything. */
function below(values: Values, a: number, b: number): number {
  const [left = 0, right = 0] = [values[a], values[b]];
  if (left < right) return 1;
  if (left > right) return -1;
  return Number(isNumber(right)) - Number(isNumber(left));
}

const isNumber = (value: number | bigint): boolean => !Number.isNaN(Number(value));

/** C's `%f`: six decimals, ties to even, where JavaScript's `toFixed` takes them away from zero. */
function sixDecimals(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}.000000`;
  const more = value.toFixed(7); // exact where a tie is possible: multiples of 2^-7 have no more decimals
  const isTieAfterEven = Number.isInteger(value * 128) && more.endsWith("5") && Number(more.at(-2)) % 2 === 0;
  const text = isTieAfterEven ? more.slice(0, -1) : value.toFixed(6);
  return Object.is(value, -0) ? `-${text}` : text;
}
