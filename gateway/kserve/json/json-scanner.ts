/**
 * Reads JSON as Triton's parser (RapidJSON) does: NaN and Infinity are numbers, integers keep all digits, both members of one name
 * are kept, and what is malformed is named with its offset. Members that a caller wants to read by himself, tensor data above all,
 * are checked and left as they are. Pure.
 */

import { internal, invalid } from "../triton-error.ts";
import { JsonObject, JsonReal, JsonSpan, type JsonValue, unescaped } from "./json-value.ts";
import { NumberReader } from "./number-reader.ts";

export interface ScanOptions {
  /** Members of this name are spans where they are arrays. */
  readonly spansOf?: string;
  /** All members but objects are spans. */
  readonly allSpans?: boolean;
}

/** What a recursion over values may need of the stack. Tensor data may be deeper here: it is read without one. */
const NESTING_MAX = 1_000;
const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

const isDigit = (code: number): boolean => code >= ZERO && code <= NINE;

/** @throws ServingError INTERNAL with RapidJSON's text and offset. */
export function scanJson(text: string, options: ScanOptions = {}): JsonValue {
  return new JsonScanner(text, options).document();
}

class JsonScanner {
  readonly #text: string;
  readonly #options: ScanOptions;
  readonly #numbers = new NumberReader();
  #at = 0;
  #depth = 0;

  constructor(text: string, options: ScanOptions) {
    this.#text = text;
    this.#options = options;
  }

  document(): JsonValue {
    this.#space();
    if (this.#at === this.#text.length) throw malformed("The document is empty.", this.#at);
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) throw malformed("The document root must not be followed by other values.", this.#at);
    return value;
  }

  /** Past white space; the next character's code, NaN at the end. */
  #space(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = this.#text.charCodeAt(++this.#at);
    return code;
  }

  #value(): JsonValue {
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object();
      case "[":
        return this.#array();
      case '"':
        return unescaped(this.#string());
      case "t":
        return this.#literal("true", true);
      case "f":
        return this.#literal("false", false);
      case "n":
        return this.#literal("null", null);
      default:
        return this.#number();
    }
  }

  #object(): JsonObject {
    this.#enter();
    const object = new JsonObject();
    this.#at++;
    if (this.#space() === 0x7d) {
      this.#at++;
      this.#depth--;
      return object;
    }
    for (;;) {
      if (this.#text[this.#at] !== '"') throw malformed("Missing a name for object member.", this.#at);
      const name = unescaped(this.#string());
      if (this.#space() !== 0x3a) throw malformed("Missing a colon after a name of object member.", this.#at);
      this.#at++;
      const first = this.#space();
      object.names.push(name);
      object.values.push(this.#isSpan(name, first) ? this.#span() : this.#value());
      const next = this.#space();
      this.#at++;
      if (next === 0x7d) break;
      if (next !== 0x2c) throw malformed("Missing a comma or } after an object member.", this.#at - 1);
      this.#space();
    }
    this.#depth--;
    return object;
  }

  #isSpan(name: string, first: number): boolean {
    return this.#options.allSpans === true ? first !== 0x7b : first === 0x5b && this.#options.spansOf === name;
  }

  #array(): readonly JsonValue[] {
    this.#enter();
    const values: JsonValue[] = [];
    this.#at++;
    if (this.#space() === 0x5d) {
      this.#at++;
      this.#depth--;
      return values;
    }
    for (;;) {
      values.push(this.#value());
      const next = this.#space();
      this.#at++;
      if (next === 0x5d) break;
      if (next !== 0x2c) throw malformed("Missing a comma or ] after an array element.", this.#at - 1);
      this.#space();
    }
    this.#depth--;
    return values;
  }

  #span(): JsonSpan {
    const start = this.#at;
    this.#skip();
    return new JsonSpan(start, this.#at);
  }

  /** Checks a value without building it; arrays in arrays without a stack. */
  #skip(): void {
    let depth = 0;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x5b) {
        this.#at++;
        depth++;
        if (this.#space() !== 0x5d) continue;
      } else if (code === MINUS || isDigit(code)) {
        this.#at = this.#numberEnd();
      } else if (code === QUOTE) {
        this.#string();
      } else {
        this.#value();
      }
      let next = this.#arrayNext(depth);
      while (next === 0x5d) next = this.#arrayNext(--depth);
      if (depth === 0) return;
      this.#space();
    }
  }

  /** What follows an element: a comma, or the bracket that closes its array; NaN outside of arrays. */
  #arrayNext(depth: number): number {
    if (depth === 0) return Number.NaN;
    const next = this.#space();
    if (next !== 0x2c && next !== 0x5d) throw malformed("Missing a comma or ] after an array element.", this.#at);
    this.#at++;
    return next;
  }

  #enter(): void {
    if (++this.#depth > NESTING_MAX) throw invalid(`JSON nesting depth exceeds maximum allowed limit (${NESTING_MAX})`);
  }

  #literal<T>(word: string, value: T): T {
    for (let index = 1; index < word.length; index++) {
      if (this.#text[this.#at + index] !== word[index]) throw malformed("Invalid value.", this.#at + index);
    }
    this.#at += word.length;
    return value;
  }

  /** The raw inside of the string that opens here. */
  #string(): string {
    const start = this.#at + 1;
    let at = start;
    for (let code = this.#text.charCodeAt(at); code !== QUOTE; code = this.#text.charCodeAt(at)) {
      if (code === BACKSLASH) at = escapeEnd(this.#text, at);
      else if (code >= 0x20) at++;
      else if (code > 0) throw malformed("Invalid encoding in string.", at);
      else throw malformed("Missing a closing quotation mark in string.", at);
    }
    this.#at = at + 1;
    return this.#text.slice(start, at);
  }

  #number(): JsonValue {
    const start = this.#at;
    const end = this.#numberEnd();
    const value = this.#numbers.read(this.#text, start);
    this.#at = end;
    if (!this.#numbers.integer) return new JsonReal(value);
    if (this.#numbers.exact) return value;
    const whole = BigInt(this.#text.slice(start, end));
    if (whole < INT64_MIN || whole > UINT64_MAX) return new JsonReal(value);
    return Number.isSafeInteger(value) ? value : whole;
  }

  #numberEnd(): number {
    const text = this.#text;
    let at = this.#at;
    if (text.charCodeAt(at) === MINUS) at++;
    const first = text.charCodeAt(at);
    if (first === ZERO) at++;
    else if (isDigit(first)) at = digitsEnd(text, at);
    else return specialEnd(text, at);
    let code = text.charCodeAt(at);
    const wholeEnd = at;
    if (code === 0x2e) {
      if (!isDigit(text.charCodeAt(at + 1))) throw malformed("Miss fraction part in number.", at + 1);
      at = digitsEnd(text, at + 1);
      code = text.charCodeAt(at);
    }
    if (code === 0x65 || code === 0x45) {
      const sign = text.charCodeAt(at + 1);
      at += sign === MINUS || sign === 0x2b ? 2 : 1;
      if (!isDigit(text.charCodeAt(at))) throw malformed("Miss exponent in number.", at);
      at = digitsEnd(text, at);
    } else if (wholeEnd - this.#at < 300) {
      return at;
    }
    if (!Number.isFinite(Number(text.slice(this.#at, at)))) throw malformed("Number too big to be stored in double.", this.#at);
    return at;
  }
}

function digitsEnd(text: string, start: number): number {
  let at = start;
  while (isDigit(text.charCodeAt(at))) at++;
  return at;
}

/** RapidJSON with `kParseNanAndInfFlag`. */
function specialEnd(text: string, at: number): number {
  if (text.startsWith("NaN", at)) return at + 3;
  if (text.startsWith("Infinity", at)) return at + 8;
  if (text.startsWith("Inf", at)) return at + 3;
  throw malformed("Invalid value.", at);
}

/** @returns after the escape that begins at `at`, a surrogate pair being one. */
function escapeEnd(text: string, at: number): number {
  const kind = text[at + 1] ?? "";
  if (kind !== "u") {
    if (kind !== "" && '"\\/bfnrt'.includes(kind)) return at + 2;
    throw malformed("Invalid escape character in string.", at);
  }
  const unit = hexUnit(text, at);
  if (unit < 0xd800 || unit > 0xdfff) return at + 6;
  const isPair = unit < 0xdc00 && text[at + 6] === "\\" && text[at + 7] === "u";
  const low = isPair ? hexUnit(text, at + 6) : 0;
  if (low < 0xdc00 || low > 0xdfff) throw malformed("The surrogate pair in string is invalid.", at);
  return at + 12;
}

function hexUnit(text: string, at: number): number {
  const digits = text.slice(at + 2, at + 6);
  if (!/^[\da-fA-F]{4}$/.test(digits)) throw malformed("Incorrect hex digit after \\u escape in string.", at);
  return Number.parseInt(digits, 16);
}

function malformed(what: string, at: number) {
  return internal(`failed to parse the request JSON buffer: ${what} at ${at}`);
}
