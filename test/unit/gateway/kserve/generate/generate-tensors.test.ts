/** The generate extension for models of tensors: shapes, parameters, refusals, and the flat answer. */
import { describe, expect, test } from "vitest";
import { joinBytesElements } from "../../../../../core/tensor/tensor.ts";
import { parseGenerateTensors } from "../../../../../gateway/kserve/generate/generate-tensors.ts";
import { generateText } from "../../../../../gateway/kserve/generate/generate-tensors-answer.ts";

const INPUTS = [
  { name: "text", dtype: "BYTES", shape: [-1, 1] },
  { name: "x", dtype: "FP32", shape: [-1, 2, -1] },
  { name: "n", dtype: "INT64", shape: [1] },
] as const;

function parse(body: object | string, bytesMax = 1_000) {
  return parseGenerateTensors(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)), { inputs: INPUTS, bytesMax });
}

const strings = (...texts: readonly string[]) => joinBytesElements(texts.map((text) => Buffer.from(text)));

describe("a key that is an input", () => {
  test.each([
    [{ text: "a" }, { name: "text", shape: [1, 1], data: strings("a") }],
    [{ text: ["a", "b"] }, { name: "text", shape: [2, 1], data: strings("a", "b") }],
    [{ x: [1, 2, 3, 4] }, { name: "x", shape: [1, 2, 2], data: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) }],
    [{ parameters: { n: 7 } }, { name: "n", shape: [1], data: new Uint8Array(BigInt64Array.of(7n).buffer) }],
  ])("%j becomes a tensor of the model's shape", (body, expected) => {
    expect(parse(body).inputs).toMatchObject([expected]);
  });

  test("keeps all digits", () => {
    expect(parse('{"n":9007199254740993}').inputs[0]?.data).toEqual(new Uint8Array(BigInt64Array.of(9007199254740993n).buffer));
  });
});

test("other keys are parameters, wherever they stand, and the id is the request's", () => {
  expect(parse({ id: "q", a: 1, parameters: { b: 1.5, id: "p" }, c: "x", d: false })).toEqual({
    id: "q",
    inputs: [],
    parameters: new Map<string, unknown>([
      ["a", 1n],
      ["b", 1.5],
      ["id", "p"],
      ["c", "x"],
      ["d", false],
    ]),
  });
});

test.each([
  [{ x: [1, 2, 3] }, "INVALID_ARGUMENT", "The schema can not convert input 'x' to tensor with proper shape"],
  [{ n: [1, 2] }, "INVALID_ARGUMENT", "The schema can not convert input 'n' to tensor with proper shape"],
  [{ text: { a: 1 } }, "INVALID_ARGUMENT", "The schema can not convert input 'text' to tensor with proper shape"],
  [{ text: 5 }, "INTERNAL", "Unable to parse JSON bytes array: attempt to access JSON non-string as string"],
  ['{"n":1,"n":2}', "INVALID_ARGUMENT", "[request id: <id_unknown>] input 'n' already exists in request"],
  [{ parameters: [1] }, "INVALID_ARGUMENT", "Expected JSON object for keyword: 'parameters'"],
  [{ parameters: 1 }, "INVALID_ARGUMENT", "Expected JSON object for keyword: 'parameters'"],
  [{ other: { a: 1 } }, "INVALID_ARGUMENT", "parameter 'other' has invalid type. It should be either 'int', 'bool', or 'string'."],
  ["[1]", "INTERNAL", "attempt to access JSON non-object as object"],
  ["{", "INTERNAL", "failed to parse the request JSON buffer: Missing a name for object member. at 1"],
])("%j is refused", (body, code, message) => {
  expect(() => parse(body)).toThrow(expect.objectContaining({ name: "ServingError", code, message }));
});

test("inputs are limited together", () => {
  expect(() => parse({ n: 1, x: [1, 2] }, 12)).toThrow(
    "request size of 16 bytes with input 'x' of size 8 bytes exceeds the maximum allowed input size of 12. " +
      "Use --http-max-input-size to increase the limit.",
  );
});

test("the answer is flat, sorted by key, and bare where there is one element", () => {
  const output = (name: string, ...values: readonly number[]) => {
    return { name, dtype: "FP32", shape: [values.length], data: new Uint8Array(Float32Array.from(values).buffer) } as const;
  };
  const parameters = new Map<string, string | bigint | number | boolean>([
    ["z", 5n],
    ["b", true],
  ]);
  const outputs = [output("y", 1, 2), output("Y", 3), output("none")];
  expect(generateText("q", { model: "m", version: "1", parameters, outputs })).toBe(
    '{"Y":3.0,"b":true,"id":"q","model_name":"m","model_version":"1","none":[],"y":[1.0,2.0],"z":5}',
  );
});
