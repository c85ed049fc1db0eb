/** Tensor data in JSON: forms, types, wrapping, and what is refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Dtype } from "../../../../../core/tensor/dtype.ts";
import { joinBytesElements } from "../../../../../core/tensor/tensor.ts";
import { bytesAsText } from "../../../../../gateway/kserve/json/json-value.ts";
import { countElements, readTensorData } from "../../../../../gateway/kserve/json/tensor-data-reader.ts";

function read(json: string, dtype: Dtype, count: number, bytesMax = 1_000_000): Uint8Array {
  return readTensorData(bytesAsText(Buffer.from(json)), 0, { input: "IN", dtype, count, bytesMax });
}

const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

describe("elements", () => {
  test.each(["[1,2,3,4]", "[[1,2],[3,4]]", "[[[1],[2]],[[3],[4]]]", "[1,[2,3],4]", " [ [ 1 , 2 ] , 3 , 4 ] "])(
    "of %s come flat, in the text's order",
    (json) => expect(read(json, "INT32", 4)).toEqual(bytesOf(Int32Array.of(1, 2, 3, 4))),
  );

  test.each([
    ["FP32", "[0.1, -0.0, NaN, -Infinity, 16777217]", Float32Array.of(0.1, -0, Number.NaN, Number.NEGATIVE_INFINITY, 16777216)],
    ["FP64", "[0.1, 1e-320, 3]", Float64Array.of(0.1, 1e-320, 3)],
    ["INT64", "[9007199254740993, -9223372036854775808, -1, 5]", BigInt64Array.of(9007199254740993n, -(2n ** 63n), -1n, 5n)],
    ["UINT64", "[18446744073709551615, 4294967296]", BigUint64Array.of(2n ** 64n - 1n, 2n ** 32n)],
    ["INT8", "[300, -129, 1]", Int8Array.of(44, 127, 1)],
    ["UINT16", "[65537]", Uint16Array.of(1)],
    ["UINT32", "[18446744073709551615]", Uint32Array.of(2 ** 32 - 1)],
    ["BOOL", "[true, false]", Uint8Array.of(1, 0)],
  ] as const)("of %s keep their digits, and wrap where they are small", (dtype, json, expected) => {
    expect(read(json, dtype, expected.length)).toEqual(bytesOf(expected));
  });

  test("of any 64-bit integers keep all digits", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { minLength: 1 }), (values) => {
        expect(read(`[${values.join(",")}]`, "INT64", values.length)).toEqual(bytesOf(BigInt64Array.from(values)));
      }),
      { seed: 14 },
    );
  });

  test("of BYTES keep zero bytes, escapes and other scripts", () => {
    const strings = ["", "\0a", "ü中", '"q\\', "🌊"];
    const expected = joinBytesElements(strings.map((text) => Buffer.from(text)));
    expect(read(JSON.stringify(strings), "BYTES", 5)).toEqual(expected);
    expect(read('["\\u00fc\\ud83c\\udf0a"]', "BYTES", 1)).toEqual(joinBytesElements([Buffer.from("ü🌊")]));
  });

  test("are counted at any depth, a scalar being one", () => {
    expect(['["a,]", "b"]', "[[1,2],[3]]", "[]", "5", '"x"'].map((json) => countElements(json, 0))).toEqual([2, 3, 0, 1, 1]);
  });
});

const otherShape = "Unable to parse 'data': Shape does not match true shape of 'data' field";

test.each([
  ["[1,2,3]", "FP32", 4, "INTERNAL", otherShape],
  ["[1,2,3]", "INT64", 2, "INTERNAL", otherShape],
  ["[]", "FP32", 1, "INTERNAL", otherShape],
  ["[true]", "FP32", 1, "INTERNAL", "Unable to parse 'data': attempt to access JSON non-number as double"],
  ['["1"]', "FP64", 1, "INTERNAL", "Unable to parse 'data': attempt to access JSON non-number as double"],
  ["[{}]", "FP32", 1, "INTERNAL", "Unable to parse 'data': attempt to access JSON non-number as double"],
  ["[1.0]", "INT32", 1, "INTERNAL", "Unable to parse 'data': attempt to access JSON non-signed-integer as signed-integer"],
  ["[9223372036854775808]", "INT64", 1, "INTERNAL", "Unable to parse 'data': attempt to access JSON non-signed-integer as signed-integer"],
  ["[-1]", "UINT8", 1, "INTERNAL", "Unable to parse 'data': attempt to access JSON non-unsigned-integer as unsigned-integer"],
  ["[1]", "BOOL", 1, "INTERNAL", "Unable to parse 'data': attempt to access JSON non-boolean as boolean"],
  ["[1]", "BYTES", 1, "INTERNAL", "Unable to parse JSON bytes array: attempt to access JSON non-string as string"],
  ["[1]", "FP16", 1, "INVALID_ARGUMENT", "receiving FP16 data via JSON is not supported. Please use the binary data format for input IN"],
  ["[1]", "BF16", 1, "INVALID_ARGUMENT", "receiving BF16 data via JSON is not supported. Please use the binary data format for input IN"],
  [`${"[".repeat(101)}1${"]".repeat(101)}`, "FP32", 1, "INVALID_ARGUMENT", "JSON nesting depth exceeds maximum allowed limit (100)"],
] as const)("%s is no %s of %i elements", (json, dtype, count, code, message) => {
  expect(() => read(json, dtype, count)).toThrow(expect.objectContaining({ code, message }));
});

test("data is refused before it takes more memory than the limit", () => {
  const message = (bytes: number) =>
    `JSON input 'IN' has a byte_size (${bytes} bytes) that exceeds the maximum allowed value of 10 bytes. ` +
    "Use --http-max-input-size to increase the limit.";
  expect(() => read("[1,2,3]", "FP32", 3, 10)).toThrow(message(12));
  expect(() => read("[1]", "FP64", 2 ** 52, 10)).toThrow(message(2 ** 55));
  expect(() => read('["123", "4567"]', "BYTES", 2, 10)).toThrow(message(15));
});
