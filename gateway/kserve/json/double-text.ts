/**
 * Doubles as RapidJSON 1.1 writes them for Triton: Grisu2 (F. Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with
 * Integers", 2010), with that version's rounding of the last digit. About as short as JavaScript's text, and read back as the same
 * double, but the last digit may be another. 64-bit integers are kept as two halves: BigInts would take thirty times as long. Pure.
 */

/** What one number's text takes at most: `-1.2345678901234567e-308`, `-0.0000012345678901234567`. */
export const DOUBLE_CHARACTERS_MAX = 28;

/** Below it a whole number is its own shortest text. */
const INTEGER_MAX = 1e15;
/** Subnormal numbers are left to the runtime. */
const NORMAL_MIN = 2 ** -1022;
const HALF = 2 ** 32;
/** RapidJSON 1.1 rounds no digit further behind the point than this. */
const ROUNDED_PLACES = 8;
/** Whole numbers of up to so many digits are written out, as in JavaScript. */
const WHOLE_DIGITS_MAX = 21;

const ZERO = 0x30;
const POINT = 0x2e;
const MINUS = 0x2d;
const LETTER_E = 0x65;

interface Power {
  readonly high: number;
  readonly low: number;
  /** The halves stand for multiples of 2^exponent. */
  readonly exponent: number;
}

const NO_POWER: Power = { high: 0, low: 0, exponent: 0 };

/** 10^k for k = -348, -340 … 340, its upper 64 bits rounded. */
const POWERS: readonly Power[] = Array.from({ length: 87 }, (_, index) => cachedPower(-348 + 8 * index));

function cachedPower(k: number): Power {
  const scale = 1_400n;
  const value = k >= 0 ? (10n ** BigInt(k)) << scale : (1n << scale) / 10n ** BigInt(-k);
  const shift = value.toString(2).length - 64;
  const rounded = (value >> BigInt(shift)) + ((value >> BigInt(shift - 1)) & 1n);
  return { high: Number(rounded >> 32n), low: Number(rounded & 0xffff_ffffn), exponent: shift - Number(scale) };
}

/** Writes one number after another into somebody's bytes; what is in between is kept in its fields, and nothing is allocated. */
export class DoubleWriter {
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);
  readonly #digits = new Uint8Array(24);
  #count = 0;
  /** The last product's upper half, rounded. */
  #high = 0;
  #low = 0;
  #out: Uint8Array = new Uint8Array();
  #at = 0;

  /**
   * `1.0`, `1e30`, `1.5e-7`, `-0.0`, `NaN`, `Infinity`.
   * @param out has room for `DOUBLE_CHARACTERS_MAX` at `at`
   * @returns where the text ends
   */
  write(value: number, out: Uint8Array, at: number): number {
    this.#out = out;
    this.#at = at;
    if (value < 0 || Object.is(value, -0)) this.#put(MINUS);
    const size = value < 0 ? -value : value;
    if (size < INTEGER_MAX && Number.isInteger(size)) {
      this.#text(String(size));
      this.#put(POINT);
      this.#put(ZERO);
    } else if (size >= NORMAL_MIN && size < Number.POSITIVE_INFINITY) {
      this.#place(this.#shortest(size));
    } else {
      this.#text(String(size));
    }
    return this.#at;
  }

  #put(code: number): void {
    this.#out[this.#at++] = code;
  }

  #text(text: string): void {
    for (let index = 0; index < text.length; index++) this.#put(text.charCodeAt(index));
  }

  /** Leaves the digits in their place. @param value positive and normal @returns the power of ten of the last digit */
  #shortest(value: number): number {
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
    // The bounds come in by one, since the products may be wrong by that.
    if (this.#low === 0) this.#high--;
    this.#low = this.#low === 0 ? HALF - 1 : this.#low - 1;
    const width = (this.#high - lowerHigh) * HALF + (this.#low - lowerLow) - 1;
    const distance = (this.#high - middleHigh) * HALF + (this.#low - middleLow);
    return 348 - 8 * index + this.#generate(width, distance, -(exponent + power.exponent + 64) - 32);
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

  /**
   * Digits of the interval's upper end, which the last product is, as few as lead into the interval.
   * @param width of the interval @param distance from its upper end to the value
   * @param shift behind so many bits of the upper half stands the point
   * @returns how far the last digit stands before the point; negative: behind it
   */
  #generate(width: number, distance: number, shift: number): number {
    const mask = (1 << shift) - 1;
    let high = this.#high & mask;
    let low = this.#low;
    this.#whole(this.#high >>> shift);
    if (high === 0 && low <= width) return this.#dropZeros();
    let limit = width;
    for (let places = 1; ; places++) {
      limit *= 10;
      const lowTen = low * 10;
      const carry = Math.floor(lowTen / HALF);
      low = lowTen - carry * HALF;
      const highTen = high * 10 + carry;
      high = highTen & mask;
      this.#digit(highTen >>> shift);
      const rest = high * HALF + low;
      if (rest >= limit) continue;
      if (places <= ROUNDED_PLACES) this.#round(rest, { limit, unit: 2 ** (shift + 32), distance: distance * 10 ** places });
      return -places;
    }
  }

  /** Zeros before the first digit are none. */
  #digit(digit: number): void {
    if (digit !== 0 || this.#count > 0) this.#digits[this.#count++] = digit;
  }

  #whole(value: number): void {
    let length = 1;
    for (let limit = 10; limit <= value; limit *= 10) length++;
    this.#count = value === 0 ? 0 : length;
    for (let index = this.#count - 1, rest = value; index >= 0; index--) {
      const tenth = Math.floor(rest / 10);
      this.#digits[index] = rest - tenth * 10;
      rest = tenth;
    }
  }

  #dropZeros(): number {
    const count = this.#count;
    while (this.#digits[this.#count - 1] === 0) this.#count--;
    return count - this.#count;
  }

  /** Takes the last digit down as long as that leads nearer to the value. */
  #round(rest: number, { limit, unit, distance }: { readonly limit: number; readonly unit: number; readonly distance: number }): void {
    let steps = 0;
    for (let at = rest; at < distance && limit - at >= unit; at += unit) {
      if (at + unit >= distance && distance - at <= at + unit - distance) break;
      steps++;
    }
    const last = this.#count - 1;
    this.#digits[last] = (this.#digits[last] ?? 0) - steps;
  }

  /** Writes the digits, the last one standing for 10^k, with a point or an exponent. */
  #place(k: number): void {
    const count = this.#count;
    const point = count + k;
    if (k >= 0 && point <= WHOLE_DIGITS_MAX) {
      this.#some(0, count);
      for (let zeros = 0; zeros < k; zeros++) this.#put(ZERO);
      this.#put(POINT);
      this.#put(ZERO);
    } else if (point > 0 && point <= WHOLE_DIGITS_MAX) {
      this.#some(0, point);
      this.#put(POINT);
      this.#some(point, count);
    } else if (point > -6 && point <= 0) {
      this.#put(ZERO);
      this.#put(POINT);
      for (let zeros = 0; zeros < -point; zeros++) this.#put(ZERO);
      this.#some(0, count);
    } else {
      this.#some(0, 1);
      if (count > 1) this.#put(POINT);
      this.#some(1, count);
      this.#put(LETTER_E);
      this.#text(String(point - 1));
    }
  }

  #some(start: number, end: number): void {
    for (let index = start; index < end; index++) this.#put(ZERO + (this.#digits[index] ?? 0));
  }
}

/** @param lower the product's lower 32 bits: what a double loses of the product is below half of what is left. */
function upperHalf(a: number, b: number, lower: number): number {
  return Math.round((a * b - lower) / HALF);
}

/** One number alone. */
export function doubleText(value: number): string {
  const out = new Uint8Array(DOUBLE_CHARACTERS_MAX);
  return String.fromCharCode(...out.subarray(0, new DoubleWriter().write(value, out, 0)));
}
