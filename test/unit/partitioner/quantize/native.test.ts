/** Every ggml block type in the runtime's layouts: no weight changes. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../../core/random.ts";
import { emptyBlockRows, weightsOf } from "../../../../partitioner/quantize/block-rows.ts";
import { dequantize } from "../../../../partitioner/quantize/dequantize.ts";
import { encodeRows } from "../../../../partitioner/quantize/encode-rows.ts";
import { convertBlocks } from "../../../../partitioner/quantize/native.ts";
import { TENSOR_TYPES, type TensorType } from "../../../../partitioner/quantize/tensor-type.ts";
import { INT4, INT8, NATIVE_FORMATS, rowBytes } from "../../../../partitioner/quantize/weight-format.ts";
import { randomBlocks } from "../tiny-llama.ts";

const EXACT = ["Q4_0", "Q5_0", "Q8_0", "Q6_K"] as const;
const CORRECTED = ["Q4_1", "Q5_1", "Q4_K", "Q5_K"] as const;
const VALUES = 256 * 24;

function bothWays(type: TensorType): { readonly expected: Float32Array; readonly actual: Float32Array } {
  const format = NATIVE_FORMATS[type];
  if (format.kind === "float") throw new Error(`${type} has no blocks`);
  const random = seededRandom(7n);
  const bytes = randomBlocks(type, VALUES, 0.3, () => random.next());
  const rows = emptyBlockRows(format, VALUES);
  expect(convertBlocks(type, bytes, rows)).toBe(true);
  return { expected: dequantize(type, bytes, new Float32Array(VALUES)), actual: weightsOf(format, rows) };
}

describe("native blocks", () => {
  test.each(EXACT)("%s weights are exactly those of the checkpoint", (type) => {
    const { expected, actual } = bothWays(type);
    expect(actual.every((value, index) => value === expected[index])).toBe(true); // -0 equals 0
  });

  test.each(CORRECTED)("%s weights are those of the checkpoint to the last bit of their correction", (type) => {
    const { expected, actual } = bothWays(type);
    // the correction m + 8 d is rounded once, to 24 bits of at most 0.9
    for (const [index, value] of expected.entries()) expect(Math.abs((actual[index] ?? Number.NaN) - value)).toBeLessThanOrEqual(2 ** -24);
  });

  test("half-precision scales that add without rounding lose nothing at all", () => {
    const block = new Uint8Array(20);
    new DataView(block.buffer).setFloat16(0, 0.0625, true);
    new DataView(block.buffer).setFloat16(2, -0.4375, true);
    for (let j = 0; j < 16; j++) block[4 + j] = j | ((15 - j) << 4);
    const rows = emptyBlockRows(NATIVE_FORMATS.Q4_1, 32);
    convertBlocks("Q4_1", block, rows);
    expect(weightsOf(NATIVE_FORMATS.Q4_1, rows)).toEqual(dequantize("Q4_1", block, new Float32Array(32)));
  });

  test("float types have no blocks to keep", () => {
    expect(convertBlocks("BF16", new Uint8Array(64), emptyBlockRows(INT8, 32))).toBe(false);
  });
});

describe("encoded rows", () => {
  test.each(Object.keys(NATIVE_FORMATS) as TensorType[])("%s rows take the bytes that their format says, in every format", (type) => {
    const random = seededRandom(3n);
    const bytes = randomBlocks(type, 512, 1, () => random.next());
    for (const format of [NATIVE_FORMATS[type], INT8, INT4, { kind: "float" } as const]) {
      const encoded = encodeRows(type, bytes, format);
      const expected = rowBytes(format, 512);
      expect([encoded.data.length, encoded.scales.length, encoded.corrections.length]).toEqual([
        expected.data,
        expected.scales,
        expected.corrections,
      ]);
    }
  });

  test("blocks that the wanted format can hold pass unchanged: Q8_0 as int8, Q4_0 as int4", () => {
    for (const [type, format] of [
      ["Q8_0", INT8],
      ["Q4_0", INT4],
    ] as const) {
      const random = seededRandom(5n);
      const bytes = randomBlocks(type, 256, 1, () => random.next());
      const { data, scales } = encodeRows(type, bytes, format);
      const rows = { quants: data, scales: new Float32Array(scales.buffer), corrections: new Float32Array() };
      expect(weightsOf(format, rows)).toEqual(dequantize(type, bytes, new Float32Array(256)));
    }
  });

  test("rows of several blocks keep the order of their values", () => {
    const values = Float32Array.from({ length: 96 }, (_, index) => index);
    const bytes = new Uint8Array(values.buffer);
    expect(new Float32Array(encodeRows("F32", bytes, { kind: "float" }).data.buffer)).toEqual(values);
    expect(TENSOR_TYPES.F32.bytes).toBe(4);
  });
});
