/** ggml blocks made by hand, with the values that ggml-quants.c gives them. */
import { expect, test } from "vitest";
import { dequantize } from "../../../../partitioner/quantize/dequantize.ts";
import { HALF_VALUES } from "../../../../partitioner/quantize/half.ts";
import type { TensorType } from "../../../../partitioner/quantize/tensor-type.ts";

/** A block with half-precision numbers at some offsets and bytes at others. */
function block(bytes: number, halves: Readonly<Record<number, number>>, fill: (at: number) => number | undefined): Uint8Array {
  const made = Uint8Array.from({ length: bytes }, (_, at) => fill(at) ?? 0);
  for (const [at, value] of Object.entries(halves)) new DataView(made.buffer).setFloat16(Number(at), value, true);
  return made;
}

const valuesOf = (type: TensorType, bytes: Uint8Array, count: number) => Array.from(dequantize(type, bytes, new Float32Array(count)));
const range = (count: number, value: (index: number) => number) => Array.from({ length: count }, (_, index) => value(index));

test("floats of every width keep their values", () => {
  expect(valuesOf("F32", new Uint8Array(Float32Array.of(1.5, -2, 1e-3).buffer), 3)).toEqual([1.5, -2, Math.fround(1e-3)]);
  expect(
    valuesOf(
      "F16",
      block(8, { 0: 1.5, 2: -0.25, 4: 65_504, 6: 2 ** -24 }, () => 0),
      4,
    ),
  ).toEqual([1.5, -0.25, 65_504, 2 ** -24]);
  expect(valuesOf("BF16", Uint8Array.of(0xc0, 0x3f, 0x00, 0xc0), 2)).toEqual([1.5, -2]);
});

test("the half-precision table covers zeros, subnormals, infinities and NaN", () => {
  expect([0, 1, 0x3c00, 0x7bff, 0x7c00, 0xfc00].map((bits) => HALF_VALUES[bits])).toEqual([0, 2 ** -24, 1, 65_504, Infinity, -Infinity]);
  expect(Object.is(HALF_VALUES[0x8000], -0)).toBe(true);
  expect(HALF_VALUES[0x7e00]).toBeNaN();
});

test("Q4_0 and Q4_1 pair value j with value j + 16", () => {
  const q40 = block(18, { 0: 0.5 }, (at) => (at >= 2 ? (at - 2) | ((15 - (at - 2)) << 4) : 0));
  expect(valuesOf("Q4_0", q40, 32)).toEqual([...range(16, (j) => (j - 8) * 0.5), ...range(16, (j) => (7 - j) * 0.5)]);
  const q41 = block(20, { 0: 0.5, 2: -3 }, (at) => (at >= 4 ? (at - 4) | ((15 - (at - 4)) << 4) : 0));
  expect(valuesOf("Q4_1", q41, 32)).toEqual([...range(16, (j) => j * 0.5 - 3), ...range(16, (j) => (15 - j) * 0.5 - 3)]);
});

test("Q5_0 and Q5_1 take the fifth bit of value j from bit j of a word", () => {
  const fifths = [0x01, 0x80, 0xff, 0x00]; // values 0, 15, and 16 to 23
  const expected = (value: (q: number) => number) => range(32, (j) => value(3 + (j === 0 || j === 15 || (j >= 16 && j < 24) ? 16 : 0)));
  const q50 = block(22, { 0: 2 }, (at) => (at >= 6 ? 0x33 : fifths[at - 2]));
  expect(valuesOf("Q5_0", q50, 32)).toEqual(expected((q) => (q - 16) * 2));
  const q51 = block(24, { 0: 2, 2: -5 }, (at) => (at >= 8 ? 0x33 : fifths[at - 4]));
  expect(valuesOf("Q5_1", q51, 32)).toEqual(expected((q) => q * 2 - 5));
});

test("Q8_0 has signed bytes", () => {
  const q80 = block(34, { 0: 0.25 }, (at) => (at >= 2 ? (at - 2 - 16) & 0xff : 0));
  expect(valuesOf("Q8_0", q80, 32)).toEqual(range(32, (j) => (j - 16) * 0.25));
});

/** Scale s + 1 and minimum s for sub-block s below 4; 33 + s and 17 + s above, which need their top bits. */
const packedScales = [1, 2, 3, 4, 0, 1, 2, 3]
  .map((value, index) => value | ((index < 4 ? 2 : 1) << 6))
  .concat(range(4, (s) => ((5 + s) & 15) | ((5 + s) << 4)));
const subScale = (sub: number) => (sub < 4 ? sub + 1 : 32 + 5 + sub - 4);
const subMinimum = (sub: number) => (sub < 4 ? sub : 16 + 5 + sub - 4);

test("Q4_K has eight sub-blocks with six-bit scales and minima", () => {
  const bytes = block(144, { 0: 1, 2: 0.5 }, (at) => (at >= 16 ? 0x73 : packedScales[at - 4]));
  const expected = range(256, (i) => subScale(i >> 5) * ((i >> 5) % 2 === 0 ? 3 : 7) - subMinimum(i >> 5) * 0.5);
  expect(valuesOf("Q4_K", bytes, 256)).toEqual(expected);
});

test("Q5_K adds a fifth bit: bit s of byte l for value l of sub-block s", () => {
  const bytes = block(176, { 0: 1, 2: 0.5 }, (at) => (at >= 48 ? 0x73 : at >= 16 ? (at === 16 ? 0b10000001 : 0) : packedScales[at - 4]));
  const fifth = (i: number) => (i === 0 || i === 7 * 32 ? 16 : 0);
  const expected = range(256, (i) => subScale(i >> 5) * (((i >> 5) % 2 === 0 ? 3 : 7) + fifth(i)) - subMinimum(i >> 5) * 0.5);
  expect(valuesOf("Q5_K", bytes, 256)).toEqual(expected);
});

test("Q6_K has sixteen signed scales and values around 32", () => {
  const bytes = block(210, { 208: 0.5 }, (at) => {
    if (at < 128) return 0x21; // low four bits: 1 in the first and second run of 32, 2 in the third and fourth
    if (at < 192) return 0b11_10_01_00; // top two bits: 0, 1, 2, 3 for the four runs
    return (at - 192 - 8) & 0xff; // scales -8 to 7
  });
  const expected = range(256, (i) => {
    const half = i >> 7;
    const run = (i >> 5) & 3;
    const scale = half * 8 + run * 2 + ((i >> 4) & 1) - 8;
    return 0.5 * scale * ((run < 2 ? 1 : 2) + run * 16 - 32) + 0;
  });
  expect(valuesOf("Q6_K", bytes, 256).map((value) => value + 0)).toEqual(expected);
});

test("too few bytes are a bug of the caller", () => {
  expect(() => dequantize("Q8_0", new Uint8Array(33), new Float32Array(32))).toThrow("assertion failed");
});
