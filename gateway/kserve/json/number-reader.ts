/**
 * Reads a JSON number's text, with all digits. Short decimals are computed from their digits: exact, since both the digits and the
 * power of ten are doubles (W. Clinger, "How to Read Floating Point Numbers Accurately", 1990); longer ones by the runtime. Pure.
 */

const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const LETTER_E = 0x45;
const LETTER_E_SMALL = 0x65;
const LETTER_I = 0x49;
const LETTER_N = 0x4e;
const LETTER_Y = 0x79;

/** So many digits are a whole number that a double holds. */
const EXACT_DIGITS = 15;
const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, power) => 10 ** power);

/** One reader for many numbers: what it found besides the value stands in its fields. */
export class NumberReader {
  /** After the number. */
  end = 0;
  /** No fraction and no exponent. */
  integer = false;
  /** The value holds all digits of the integer. */
  exact = false;

  /**
   * @param text holds a well-formed number at `start`: JSON's, or Infinity, Inf, NaN with or without a sign.
   * @returns the nearest double; `-0` without a fraction is 0, as an integer has no sign there
   */
  read(text: string, start: number): number {
    const negative = text.charCodeAt(start) === MINUS;
    let at = negative ? start + 1 : start;
    let code = text.charCodeAt(at);
    if (code === LETTER_I || code === LETTER_N) return this.#special(text, at, negative);
    let digits = 0;
    let count = 0;
    for (; code >= ZERO && code <= NINE; code = text.charCodeAt(++at)) {
      digits = digits * 10 + (code - ZERO);
      if (digits !== 0) count++;
    }
    this.integer = code !== DOT && code !== LETTER_E && code !== LETTER_E_SMALL;
    if (this.integer) {
      this.end = at;
      this.exact = count <= EXACT_DIGITS;
      if (this.exact) return negative && digits !== 0 ? -digits : digits;
      return Number(text.slice(start, at));
    }
    this.exact = false;
    return this.#real(text, start, { at, digits, count, negative });
  }

  #real(text: string, start: number, whole: { at: number; digits: number; count: number; negative: boolean }): number {
    let { at, digits, count } = whole;
    let code = text.charCodeAt(at);
    let power = 0;
    if (code === DOT) {
      const first = at + 1;
      for (code = text.charCodeAt(++at); code >= ZERO && code <= NINE; code = text.charCodeAt(++at)) {
        digits = digits * 10 + (code - ZERO);
        if (digits !== 0) count++;
      }
      power = first - at;
    }
    if (code === LETTER_E || code === LETTER_E_SMALL) {
      code = text.charCodeAt(++at);
      const down = code === MINUS;
      if (down || code === PLUS) code = text.charCodeAt(++at);
      let exponent = 0;
      for (; code >= ZERO && code <= NINE; code = text.charCodeAt(++at)) exponent = exponent * 10 + (code - ZERO);
      power += down ? -exponent : exponent;
    }
    this.end = at;
    const scale = POWERS_OF_TEN[power < 0 ? -power : power];
    if (count > EXACT_DIGITS || scale === undefined) return Number(text.slice(start, at));
    const value = power < 0 ? digits / scale : digits * scale;
    return whole.negative ? -value : value;
  }

  #special(text: string, at: number, negative: boolean): number {
    this.integer = false;
    this.exact = false;
    if (text.charCodeAt(at) === LETTER_N) {
      this.end = at + 3;
      return Number.NaN;
    }
    this.end = text.charCodeAt(at + 7) === LETTER_Y ? at + 8 : at + 3;
    return negative ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
}
