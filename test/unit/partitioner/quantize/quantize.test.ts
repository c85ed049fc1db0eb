/** f32 weights in four and eight bits. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../../core/random.ts";
import { emptyBlockRows, weightsOf } from "../../../../partitioner/quantize/block-rows.ts";
import { quantizeInt4, quantizeInt8 } from "../../../../partitioner/quantize/quantize.ts";
import { automaticQuantization, INT4, INT8, weightFormat } from "../../../../partitioner/quantize/weight-format.ts";

const random = seededRandom(11n);
const weights = Float32Array.from({ length: 32 * 64 }, (_, index) => (random.next() - 0.5) * 10 ** ((index >> 5) % 7));

const kinds = [
  ["int8", INT8, quantizeInt8, 0.5],
  ["int4", INT4, quantizeInt4, 1.01], // the end opposite to the extreme is clamped: up to a whole step away
] as const;

test.each(kinds)("%s is nowhere further off than its step allows", (_, format, quantize, steps) => {
  const rows = emptyBlockRows(format, weights.length);
  quantize(weights, rows);
  for (const [index, value] of weightsOf(format, rows).entries()) {
    const step = Math.abs(rows.scales[index >> 5] ?? 0);
    expect(Math.abs(value - (weights[index] ?? 0))).toBeLessThanOrEqual(step * steps * (1 + 1e-5));
  }
});

test.each(kinds)("%s keeps zeros and the extreme value of a block", (_, format, quantize) => {
  const rows = emptyBlockRows(format, 64);
  const block = Float32Array.from({ length: 64 }, (__, index) => (index === 40 ? -6 : index === 41 ? 3 : 0));
  quantize(block, rows);
  const back = weightsOf(format, rows);
  expect(back.subarray(0, 32).every((value) => value === 0)).toBe(true);
  expect(back[40]).toBeCloseTo(-6, 5);
  expect(back[42]).toBe(0);
});

test("the vocabulary stays in eight bits when layers have four, and rows that fill no block stay floats", () => {
  const wanted = { type: "F16", columns: 64, quantization: "int4" } as const;
  expect(weightFormat({ ...wanted, role: "layer" })).toEqual(INT4);
  expect(weightFormat({ ...wanted, role: "vocabulary" })).toEqual(INT8);
  expect(weightFormat({ ...wanted, role: "layer", columns: 40 })).toEqual({ kind: "float" });
  expect(weightFormat({ ...wanted, role: "layer", quantization: "fp32" })).toEqual({ kind: "float" });
});

test("quantized checkpoints keep their blocks, float ones become int8", () => {
  expect(automaticQuantization(["F32", "Q4_1", "Q8_0"])).toBe("native");
  expect(automaticQuantization(["BF16", "F32"])).toBe("int8");
});
