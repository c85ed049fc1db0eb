/** Doubles as Triton prints them, against a plain reference in big integers. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { doubleText } from "../../../../../gateway/kserve/json/double-text.ts";

const SCALE = 1_400n;

/** RapidJSON 1.1's Grisu2, step by step; positive normal numbers only. */
function reference(value: number): string {
  const raw = new BigUint64Array(Float64Array.of(value).buffer)[0] ?? 0n;
  const fraction = (raw & (2n ** 52n - 1n)) + 2n ** 52n;
  const exponent = Number(raw >> 52n) - 1075 - 11;
  const index = (Math.ceil((-61 - exponent) * 0.30102999566398114 + 347) >> 3) + 1;
  const power = powerOfTen(-348 + 8 * index);
  const product = (significand: bigint) => (significand * power.f + 2n ** 63n) >> 64n;
  const upper = product((fraction << 11n) + 1024n) - 1n;
  const lower = product((fraction << 11n) - (fraction === 2n ** 52n ? 512n : 1024n)) + 1n;
  const shift = BigInt(-(exponent + power.e + 64));
  const distance = upper - product(fraction << 11n);
  let digits = String(upper >> shift);
  let rest = upper & (2n ** shift - 1n);
  let width = upper - lower;
  let k = 348 - 8 * index;
  if (rest <= width && digits !== "0") {
    const kept = digits.replace(/0+$/, "");
    return placed(kept, k + digits.length - kept.length);
  }
  if (digits === "0") digits = "";
  for (let places = 1; ; places++) {
    rest *= 10n;
    width *= 10n;
    const digit = rest >> shift;
    if (digit > 0n || digits !== "") digits += digit;
    rest &= 2n ** shift - 1n;
    k--;
    if (rest < width)
      return placed(rounded(digits, { rest, width, one: 2n ** shift, distance: places < 9 ? distance * 10n ** BigInt(places) : 0n }), k);
  }
}

function powerOfTen(k: number): { readonly f: bigint; readonly e: number } {
  const value = k >= 0 ? (10n ** BigInt(k)) << SCALE : (1n << SCALE) / 10n ** BigInt(-k);
  const shift = value.toString(2).length - 64;
  return { f: (value + (1n << BigInt(shift - 1))) >> BigInt(shift), e: shift - Number(SCALE) };
}

function rounded(digits: string, state: { rest: bigint; readonly width: bigint; readonly one: bigint; readonly distance: bigint }): string {
  const { width, one, distance } = state;
  let last = Number(digits.at(-1));
  for (let rest = state.rest; rest < distance && width - rest >= one; rest += one) {
    if (rest + one >= distance && distance - rest <= rest + one - distance) break;
    last--;
  }
  return digits.slice(0, -1) + last;
}

function placed(digits: string, k: number): string {
  const point = digits.length + k;
  if (k >= 0 && point <= 21) return `${digits}${"0".repeat(k)}.0`;
  if (point > 0 && point <= 21) return `${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -6 && point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  return digits.length === 1 ? `${digits}e${point - 1}` : `${digits[0]}.${digits.slice(1)}e${point - 1}`;
}

test.each([
  [Math.fround(0.1), "0.10000000149011612"],
  [Math.fround(3.1), "3.0999999046325685"],
  [Math.fround(0.3), "0.30000001192092898"],
  [Math.fround(1e-10), "1.000000013351432e-10"],
  [Math.fround(1e21), "1.0000000200408774e21"],
  [Math.fround(3.4028235e38), "3.4028234663852887e38"],
  [Math.fround(1e-45), "1.401298464324817e-45"],
  [123456792, "123456792.0"],
  [1e20, "100000000000000000000.0"],
  [1e21, "1e21"],
  [-0, "-0.0"],
  [-2.5, "-2.5"],
  [Number.NaN, "NaN"],
  [Number.NEGATIVE_INFINITY, "-Infinity"],
  [5e-324, "5e-324"],
])("%d is written as Triton wrote it", (value, expected) => {
  expect(doubleText(value)).toBe(expected);
});

const normal = fc.double({ min: 2 ** -1022, noNaN: true, noDefaultInfinity: true });
const short = fc
  .tuple(fc.integer({ min: 1, max: 1e15 }), fc.integer({ min: -30, max: 30 }))
  .map(([digits, power]) => Number(`${digits}e${power}`));
const single = fc.float({ min: 2 ** -126, noNaN: true, noDefaultInfinity: true });

test.each([
  ["doubles", normal],
  ["short decimals", short],
  ["widened floats", single],
])("all %s are written as by the reference, and read back as they were", (_, values) => {
  fc.assert(
    fc.property(values, (value) => {
      const text = doubleText(value);
      expect(text).toBe(reference(value));
      expect(Number(text)).toBe(value);
    }),
    { seed: 15, numRuns: 2_000 },
  );
});
