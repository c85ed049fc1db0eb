/** The largest values of an output, as strings. */
import { expect, test } from "vitest";
import type { Dtype } from "../../../../../core/tensor/dtype.ts";
import { bytesElements } from "../../../../../core/tensor/tensor.ts";
import { type ClassificationOptions, classify } from "../../../../../gateway/kserve/infer/classification.ts";

type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array | BigInt64Array | BigUint64Array;

function classes(dtype: Dtype, values: Numbers, options: Partial<ClassificationOptions> & { readonly shape?: readonly number[] } = {}) {
  const { shape = [values.length], ...rest } = options;
  const data = new Uint8Array(values.buffer.slice(0));
  const tensor = classify({ name: "OUT", dtype, shape, data }, { classes: 2, batched: false, labels: [], ...rest });
  return { ...tensor, data: bytesElements(tensor.data).map((element) => Buffer.from(element).toString()) };
}

test.each([
  ["FP32", Float32Array.of(1, 5, 10, 4), ["10.000000:2", "5.000000:1"]],
  ["FP64", Float64Array.of(-1.5, 0.0078125, 1e22), ["10000000000000000000000.000000:2", "0.007812:1"]],
  ["INT32", Int32Array.of(1, 5, 10, 4), ["10:2", "5:1"]],
  ["UINT8", Uint8Array.of(7), ["7:0"]],
  ["INT64", BigInt64Array.of(2n ** 53n, 2n ** 53n + 1n, -5n), ["9007199254740993:1", "9007199254740992:0"]],
  ["FP32", Float32Array.of(1, 1, Number.NaN, 1), ["1.000000:0", "1.000000:1"]],
] as const)("%s: the largest come first, as C prints them, the lower index first among equals", (dtype, values, expected) => {
  expect(classes(dtype, values)).toEqual({ name: "OUT", dtype: "BYTES", shape: [expected.length], data: expected });
});

test("each row of a batch is classified by itself, with the labels that there are", () => {
  const values = Float32Array.of(1, 2, 3, 6, 5, 4);
  expect(classes("FP32", values, { batched: true, labels: ["cat", "dog"], shape: [2, 3] })).toMatchObject({
    shape: [2, 2],
    data: ["3.000000:2", "2.000000:1:dog", "6.000000:0:cat", "5.000000:1:dog"],
  });
});

test("many classes come in the same order as few", () => {
  const values = Float32Array.from({ length: 500 }, (_, index) => (index * 7919) % 251);
  const all = classes("FP32", values, { classes: 500 }).data;
  expect(classes("FP32", values, { classes: 60 }).data).toEqual(all.slice(0, 60));
  expect(classes("FP32", values, { classes: 1_000 }).shape).toEqual([500]);
});

test.each(["BYTES", "FP16", "BOOL"] as const)("%s has no classes", (dtype) => {
  expect(() => classes(dtype, new Uint8Array(4))).toThrow(`class result not available for output due to unsupported type '${dtype}'`);
});

test("an output of more than a million values is refused", () => {
  expect(() => classes("UINT8", new Uint8Array(1_000_001))).toThrow("classification output tensor too large");
});
