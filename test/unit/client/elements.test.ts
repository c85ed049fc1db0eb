import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ElementArrays, type ElementValues, readElements, writeElements } from "../../../client/elements.ts";
import { DTYPES, type Dtype } from "../../../core/tensor/dtype.ts";

const RUNS = { seed: 20_260_401, numRuns: 200 };

const whole = (min: number, max: number) => fc.array(fc.integer({ min, max }));
const big = (min: bigint, max: bigint) => fc.array(fc.bigInt({ min, max }));
const NUMBERS: Readonly<Record<Exclude<Dtype, "BOOL" | "BYTES">, fc.Arbitrary<readonly (number | bigint)[]>>> = {
  UINT8: whole(0, 255),
  UINT16: whole(0, 65_535),
  UINT32: whole(0, 4_294_967_295),
  UINT64: big(0n, 2n ** 64n - 1n),
  INT8: whole(-128, 127),
  INT16: whole(-32_768, 32_767),
  INT32: whole(-2_147_483_648, 2_147_483_647),
  INT64: big(-(2n ** 63n), 2n ** 63n - 1n),
  FP16: fc.array(fc.double().map((value) => Math.f16round(value))),
  FP32: fc.array(fc.float()),
  FP64: fc.array(fc.double()),
  BF16: fc.array(fc.float().map(nearestBfloat16)),
};

/** Rounds by arithmetic on the value's own spacing, to the even one between two. */
function nearestBfloat16(value: number): number {
  const magnitude = Math.abs(value);
  if (magnitude === 0 || !Number.isFinite(value)) return value;
  const spacing = 2 ** (Math.max(Math.floor(Math.log2(magnitude)), -126) - 7);
  const steps = magnitude / spacing;
  const below = Math.floor(steps);
  const over = steps - below;
  const rounded = (over > 0.5 || (over === 0.5 && below % 2 === 1) ? below + 1 : below) * spacing;
  return Math.sign(value) * (rounded >= 2 ** 128 ? Number.POSITIVE_INFINITY : rounded);
}

function roundTrip<D extends Dtype>(dtype: D, values: ElementValues[D]): ElementArrays[D] {
  return readElements(dtype, writeElements(dtype, values));
}

const withoutSign = (values: readonly (number | bigint)[]) => values.map((value) => (Object.is(value, -0) ? 0 : value));

describe("elements", () => {
  test.each(Object.entries(NUMBERS))("of %s come back as they were given", (name, arbitrary) => {
    const dtype = name as keyof typeof NUMBERS;
    fc.assert(
      fc.property(arbitrary, (values) => {
        const read = Array.from<number | bigint>(roundTrip(dtype, values as ElementValues[typeof dtype]));
        expect(withoutSign(read)).toEqual(withoutSign(values));
      }),
      RUNS,
    );
  });

  test("of BOOL come back as 0 and 1", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean()), (values) => {
        expect(Array.from(roundTrip("BOOL", values))).toEqual(values.map(Number));
      }),
      RUNS,
    );
  });

  test("of BYTES come back whole, texts as UTF-8", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.uint8Array(), fc.string({ unit: "grapheme" }))), (values) => {
        const expected = values.map((value) => (typeof value === "string" ? Buffer.from(value) : value));
        expect(roundTrip("BYTES", values).map((element) => [...element])).toEqual(expected.map((element) => [...element]));
      }),
      RUNS,
    );
  });

  test.each(Object.entries(DTYPES).filter(([, { bytes }]) => bytes > 1))("of %s are read wherever their bytes begin", (name, { bytes }) => {
    const dtype = name as Exclude<Dtype, "BYTES">;
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 24 }), fc.integer({ min: 0, max: 8 }), (content, offset) => {
        const moved = new Uint8Array(offset + 24);
        moved.set(content, offset);
        expect(readElements(dtype, moved.subarray(offset))).toEqual(readElements(dtype, content));
        expect(readElements(dtype, Buffer.from(moved.buffer).subarray(offset))).toEqual(readElements(dtype, content));
        expect(readElements(dtype, moved.subarray(offset))).toHaveLength(24 / bytes);
      }),
      RUNS,
    );
  });

  test("of a typed array are not copied", () => {
    const values = new Float32Array([1, 2, 3]).subarray(1);
    const bytes = writeElements("FP32", values);
    expect(bytes.buffer).toBe(values.buffer);
    expect(bytes.byteOffset).toBe(4);
  });

  test("rounds to BF16's nearest, to the even one between two, and keeps what is not a number", () => {
    const values = new Float32Array([1, 1.00390625, 1.01171875, 3.4e38, Number.NaN, Number.NEGATIVE_INFINITY, -0.5]);
    expect([...roundTrip("BF16", values)]).toEqual([1, 1, 1.015625, Number.POSITIVE_INFINITY, Number.NaN, Number.NEGATIVE_INFINITY, -0.5]);
  });

  test.each([
    ["UINT8", [256]],
    ["INT8", [-129]],
    ["UINT32", [-1]],
    ["INT32", [0.5]],
    ["INT64", [2 ** 53]],
    ["UINT64", [-1n]],
    ["INT64", [2n ** 63n]],
  ] as const)("refuses %s of %s instead of sending another value", (dtype, values) => {
    expect(() => writeElements<Dtype>(dtype, [...values])).toThrow(/does not fit into|holds exactly/);
  });
});
