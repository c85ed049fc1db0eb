/**
 * Doubles as RapidJSON 1.1 writes them for Triton: Grisu2 (F. Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with
 * Integers", 2010), with that version's rounding of the last digit. As short as JavaScript's text, and read back as the same double,
 * but the last digit may be another. 64-bit integers are kept as two halves, since BigInts would take thirty times as long. Pure.
 */

/** Below it a whole number is its own shortest text. */
const INTEGER_MAX = 1e15;
/** Subnormal numbers are left to the runtime. */
const NORMAL_MIN = 2 ** -1022;
const HALF = 2 ** 32;
/** RapidJSON 1.1 rounds no digit further behind the point than this. */
const ROUNDED_DIGITS = 9;

interface Power {
  readonly high: number;
  readonly low: number;
  /** The halves stand for multiples of 2^exponent. */
  readonly exponent: number;
}

/** 10^k for k = -348, -340 … 340, its upper 64 bits rounded. */
const POWERS: readonly Power[] = Array.from({ length: 87 }, (_, index) => cachedPower(-348 + 8 * index));

function cachedPower(k: number): Power {
  const scale = 1_400n;
  const value = k >= 0 ? (10n ** BigInt(k)) << scale : (1n << scale) / 10n ** BigInt(-k);
  const shift = value.toString(2).length - 64;
  const rounded = (value >> BigInt(shift)) + ((value >> BigInt(shift - 1)) & 1n);
  return { high: Number(rounded >> 32n), low: Number(rounded & 0xffff_ffffn), exponent: shift - Number(scale) };
}

const NO_POWER: Power = { high: 0, low: 0, exponent: 0 };

/** `1.0`, `1e30`, `1.5e-7`, `-0.0`, `NaN`, `Infinity`. */
export function doubleText(value: number): string {
  if (Number.isInteger(value) && value < INTEGER_MAX && value > -INTEGER_MAX) return Object.is(value, -0) ? "-0.0" : `${value}.0`;
  const size = value < 0 ? -value : value;
  if (!(size >= NORMAL_MIN && size < Number.POSITIVE_INFINITY)) return String(value);
  return value < 0 ? `-${grisu.text(size)}` : grisu.text(size);
}

class Grisu {
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);
  /** The last product's upper half, rounded. */
  #high = 0;
  #low = 0;

  /** @param value positive and normal */
  text(value: number): string {
    this.#float[0] = value;
    const lowWord = this.#words[0] ?? 0;
    const highWord = this.#words[1] ?? 0;
    const exponent = (highWord >>> 20) - 1086; // of the significand, shifted up to 64 bits
    const high = ((((highWord & 0xf_ffff) | 0x10_0000) << 11) | (lowWord >>> 21)) >>> 0;
    const low = (lowWord << 11) >>> 0;
    const isPowerOfTwo = lowWord === 0 && (highWord & 0xf_ffff) === 0;
    const index = (Math.ceil((-61 - exponent) * 0.30102999566398114 + 347) >> 3) + 1;
    const power = POWERS[index] ?? NO_POWER;
    this.#multiply(high, low, power);
    const middleHigh = this.#high;
    const middleLow = this.#low;
    const below = low - (isPowerOfTwo ? 512 : 1024);
    this.#multiply(below < 0 ? high - 1 : high, below < 0 ? below + HALF : below, power);
    const lowerHigh = this.#high;
    const lowerLow = this.#low;
    this.#multiply(high, low + 1024, power);
    const upperHigh = this.#low === 0 ? this.#high - 1 : this.#high;
    const upperLow = this.#low === 0 ? HALF - 1 : this.#low - 1;
    const width = (upperHigh - lowerHigh) * HALF + (upperLow - lowerLow) - 1;
    const distance = (upperHigh - middleHigh) * HALF + (upperLow - middleLow);
    const shift = -(exponent + power.exponent + 64) - 32;
    return digits({ high: upperHigh, low: upperLow, width, distance, shift, k: 348 - 8 * index });
  }

  /** The product's upper 64 bits, rounded. */
  #multiply(high: number, low: number, power: Power): void {
    const lowLow = upperHalf(low, power.low, Math.imul(low, power.low) >>> 0);
    const highLowLow = Math.imul(high, power.low) >>> 0;
    const lowHighLow = Math.imul(low, power.high) >>> 0;
    const highHighLow = Math.imul(high, power.high) >>> 0;
    const middle = lowLow + highLowLow + lowHighLow + HALF / 2;
    const sum = highHighLow + upperHalf(high, power.low, highLowLow) + upperHalf(low, power.high, lowHighLow) + Math.floor(middle / HALF);
    const carry = Math.floor(sum / HALF);
    this.#low = sum - carry * HALF;
    this.#high = upperHalf(high, power.high, highHighLow) + carry;
  }
}

/** @param lower the product's lower 32 bits: what a double loses of the product is below half of what is left. */
function upperHalf(a: number, b: number, lower: number): number {
  return Math.round((a * b - lower) / HALF);
}

interface Bounds {
  /** The upper end of the interval whose decimals all read back as the value. */
  readonly high: number;
  readonly low: number;
  readonly width: number;
  /** From the upper end to the value. */
  readonly distance: number;
  /** The point stands behind so many bits of the upper half. */
  readonly shift: number;
  /** The power of ten that the point stands for. */
  readonly k: number;
}

/** The upper end's digits, as few as lead into the interval. */
function digits(bounds: Bounds): string {
  const { width, shift, k } = bounds;
  const mask = (1 << shift) - 1;
  let high = bounds.high & mask;
  let low = bounds.low;
  const whole = String(bounds.high >>> shift);
  if (high === 0 && low <= width) {
    const significant = whole.replace(/0+$/, "");
    return placed(significant, k + whole.length - significant.length);
  }
  let limit = width;
  let first = 0; // the first digits behind the point, then those behind them: together more than a double holds
  let second = 0;
  for (let places = 1; ; places++) {
    limit *= 10;
    const lowTen = low * 10;
    const carry = Math.floor(lowTen / HALF);
    low = lowTen - carry * HALF;
    const highTen = high * 10 + carry;
    high = highTen & mask;
    if (places < ROUNDED_DIGITS) first = first * 10 + (highTen >>> shift);
    else second = second * 10 + (highTen >>> shift);
    const rest = high * HALF + low;
    if (rest >= limit) continue;
    const rounded =
      places < ROUNDED_DIGITS
        ? first - stepsDown({ limit, rest, unit: 2 ** (shift + 32), distance: bounds.distance * 10 ** places })
        : first;
    const before = String(rounded).padStart(Math.min(places, ROUNDED_DIGITS - 1), "0");
    const text = places < ROUNDED_DIGITS ? before : before + String(second).padStart(places - ROUNDED_DIGITS + 1, "0");
    return placed(whole === "0" ? text.replace(/^0+/, "") : whole + text, k - places);
  }
}

interface Rounding {
  readonly limit: number;
  readonly rest: number;
  readonly unit: number;
  readonly distance: number;
}

/** How far the last digit goes down as long as that leads nearer to the value. */
function stepsDown({ limit, rest, unit, distance }: Rounding): number {
  let steps = 0;
  for (let at = rest; at < distance && limit - at >= unit; at += unit) {
    if (at + unit >= distance && distance - at <= at + unit - distance) break;
    steps++;
  }
  return steps;
}

/** The digits, the last one standing for 10^k, with a point or an exponent. */
function placed(text: string, k: number): string {
  const point = text.length + k;
  if (k >= 0 && point <= 21) return `${text}${"0".repeat(k)}.0`;
  if (point > 0 && point <= 21) return `${text.slice(0, point)}.${text.slice(point)}`;
  if (point > -6 && point <= 0) return `0.${"0".repeat(-point)}${text}`;
  return text.length === 1 ? `${text}e${point - 1}` : `${text[0]}.${text.slice(1)}e${point - 1}`;
}

const grisu = new Grisu();
