/** Tensors in JSON: what it can hold keeps its value, what it cannot is refused. */
import { expect, test } from "vitest";
import { jsonData } from "../../../../client/http/json-elements.ts";
import { tensor } from "../../../../client/tensor-input.ts";

test("numbers keep their value and their sign, strings their first character", () => {
  expect(jsonData(tensor("X", "FP32", [3], [1.5, -0, 1e30]))).toMatch(/^\[1\.5,-0,1\.0000000\d+e\+30\]$/);
  expect(jsonData(tensor("X", "INT64", [1], [9007199254740993n]))).toBe("[9007199254740993]");
  expect(jsonData(tensor("X", "BYTES", [1], ["\uFEFFsea"]))).toBe('["\uFEFFsea"]');
});

test("what JSON cannot hold is refused with the input's name", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => jsonData(tensor("X", "FP64", [1], [value]))).toThrow(`input 'X' has ${value}, which JSON cannot hold: send it as bytes`);
  expect(() => jsonData(tensor("X", "BYTES", [1], [Uint8Array.of(0xff)]))).toThrow("input 'X' has a string that is no UTF-8");
});
