import { expect, test } from "vitest";
import { rawTensor, sharedTensor, tensor } from "../../../client/tensor-input.ts";

test("a tensor has the bytes of its elements, row-major and little-endian", () => {
  expect(tensor("X", "INT16", [2, 1], [1, -2])).toEqual({
    name: "X",
    dtype: "INT16",
    shape: [2, 1],
    data: new Uint8Array([1, 0, 254, 255]),
  });
  expect(tensor("X", "BYTES", [1], ["ü"]).data).toEqual(new Uint8Array([2, 0, 0, 0, 0xc3, 0xbc]));
  expect(tensor("X", "FP32", [], [1]).data).toHaveLength(4);
  expect(tensor("X", "FP32", [0, 3], []).data).toHaveLength(0);
});

test.each([
  [() => tensor("X", "FP32", [2, 2], [1, 2, 3]), "'X' has 3 elements for the shape [2,2] of 4 elements"],
  [() => rawTensor("X", "FP32", [1], new Uint8Array(3)), "'X' has 3 bytes, not 4, for the shape [1] of 1 elements"],
  [() => rawTensor("X", "BYTES", [2], new Uint8Array(4)), "'X' has 1 elements for the shape [2] of 2 elements"],
  [() => tensor("X", "FP32", [-1], [1]), "the shape [-1] of 'X' has a size that is no whole number from 0 on"],
  [
    () => sharedTensor("X", "FP32", [1.5], { region: "r", bytes: 4 }),
    "the shape [1.5] of 'X' has a size that is no whole number from 0 on",
  ],
])("what does not fit its shape is refused before it is sent: %#", (make, message) => {
  expect(make).toThrow(expect.objectContaining({ name: "ClientError", code: "INVALID_ARGUMENT", message }));
});
