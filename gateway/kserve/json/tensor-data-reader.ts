/**
 * Tensor data in JSON: nested to the shape, flat, or a mixture, straight from the text into the tensor's bytes. Types, wrapping of
 * small integers and texts are Triton's. Pure.
 */

import { DTYPES, type Dtype } from "../../../core/tensor/dtype.ts";
import { internal, invalid } from "../triton-error.ts";
import { unescaped } from "./json-value.ts";
import { NumberReader } from "./number-reader.ts";

/** As in Triton: deeper data is refused while it is read. */
const NESTING_MAX = 100;

const UNREADABLE = "Unable to parse 'data'";
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;
const WORD = 2 ** 32;

const SMALL_INTEGERS = {
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
};

export interface DataSlot {
  /** For messages. */
  readonly input: string;
  readonly dtype: Dtype;
  /** Elements that the shape asks for; BYTES may have others: the core says so. */
  readonly count: number;
  readonly bytesMax: number;
}

/**
 * @param text JSON that was scanned, one character a byte @param start where the array, or the one element, begins
 * @returns the elements as they travel, with memory of their own
 * @throws ServingError INTERNAL for elements of another type or number, INVALID_ARGUMENT for limits and for half-precision types
 */
export function readTensorData(text: string, start: number, slot: DataSlot): Uint8Array {
  const { dtype, count } = slot;
  if (dtype === "FP16" || dtype === "BF16") {
    throw invalid(`receiving ${dtype} data via JSON is not supported. Please use the binary data format for input ${slot.input}`);
  }
  checkBytes(count * DTYPES[dtype].bytes, slot);
  const elements = new Elements(text, start, count);
  switch (dtype) {
    case "FP32":
      return readReals(elements, new Float32Array(count));
    case "FP64":
      return readReals(elements, new Float64Array(count));
    case "INT64":
    case "UINT64":
      return readLongs(elements, new Uint32Array(2 * count), dtype === "INT64");
    case "BOOL":
      return readFlags(elements, new Uint8Array(count));
    case "BYTES":
      return readStrings(text, start, slot);
    default:
      return readIntegers(elements, new SMALL_INTEGERS[dtype](count), dtype.startsWith("INT"));
  }
}

function checkBytes(bytes: number, { input, bytesMax }: DataSlot): void {
  if (bytes <= bytesMax) return;
  const size = `JSON input '${input}' has a byte_size (${bytes} bytes)`;
  throw invalid(`${size} that exceeds the maximum allowed value of ${bytesMax} bytes. Use --http-max-input-size to increase the limit.`);
}

/** Walks over the elements of checked JSON: brackets, commas and white space are only counted. */
class Elements {
  readonly text: string;
  readonly numbers = new NumberReader();
  readonly #countMax: number;
  #at: number;
  #depth = 0;
  #count = 0;

  constructor(text: string, start: number, countMax = Number.POSITIVE_INFINITY) {
    this.text = text;
    this.#at = start;
    this.#countMax = countMax;
  }

  /** Where the next element begins; -1 after the last. @throws ServingError when there are more or fewer than wanted */
  next(): number {
    if (this.#depth === 0 && this.#count > 0) return this.#finish();
    for (;;) {
      const code = this.text.charCodeAt(this.#at);
      if (code === 0x5b) {
        if (++this.#depth > NESTING_MAX) throw invalid(`JSON nesting depth exceeds maximum allowed limit (${NESTING_MAX})`);
      } else if (code === 0x5d) {
        if (--this.#depth === 0) return this.#finish();
      } else if (code !== 0x2c && code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) {
        if (++this.#count > this.#countMax) throw otherShape();
        return this.#at;
      }
      this.#at++;
    }
  }

  /** @param at after the element that `next` has found */
  passed(at: number): void {
    this.#at = at;
  }

  #finish(): -1 {
    if (this.#countMax !== Number.POSITIVE_INFINITY && this.#count < this.#countMax) throw otherShape();
    return -1;
  }
}

function readReals(elements: Elements, out: Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>): Uint8Array {
  const { text, numbers } = elements;
  let index = 0;
  for (let at = elements.next(); at !== -1; at = elements.next()) {
    if (!startsNumber(text.charCodeAt(at))) throw notA("number", "double");
    out[index++] = numbers.read(text, at);
    elements.passed(numbers.end);
  }
  return new Uint8Array(out.buffer);
}

type SmallIntegers = InstanceType<(typeof SMALL_INTEGERS)[keyof typeof SMALL_INTEGERS]>;

/** Typed arrays keep the low bits of what does not fit, as Triton's casts do. */
function readIntegers(elements: Elements, out: SmallIntegers, signed: boolean): Uint8Array {
  const { text, numbers } = elements;
  let index = 0;
  for (let at = elements.next(); at !== -1; at = elements.next()) {
    const value = readInteger(text, at, numbers, signed);
    out[index++] = typeof value === "number" ? value : Number(BigInt.asUintN(32, value));
    elements.passed(numbers.end);
  }
  return new Uint8Array(out.buffer, 0, out.byteLength);
}

/** @param out low and high word of each */
function readLongs(elements: Elements, out: Uint32Array<ArrayBuffer>, signed: boolean): Uint8Array {
  const { text, numbers } = elements;
  let index = 0;
  for (let at = elements.next(); at !== -1; at = elements.next()) {
    const value = readInteger(text, at, numbers, signed);
    if (typeof value === "number") {
      const high = Math.floor(value / WORD);
      out[index++] = value - high * WORD;
      out[index++] = high;
    } else {
      out[index++] = Number(BigInt.asUintN(32, value));
      out[index++] = Number(BigInt.asUintN(32, value >> 32n));
    }
    elements.passed(numbers.end);
  }
  return new Uint8Array(out.buffer);
}

function readInteger(text: string, at: number, numbers: NumberReader, signed: boolean): number | bigint {
  if (startsNumber(text.charCodeAt(at))) {
    const value = numbers.read(text, at);
    if (numbers.exact) {
      if (signed || value >= 0) return value;
    } else if (numbers.integer) {
      const whole = BigInt(text.slice(at, numbers.end));
      if (signed ? whole >= INT64_MIN && whole <= INT64_MAX : whole >= 0n && whole <= UINT64_MAX) return whole;
    }
  }
  throw signed ? notA("signed-integer", "signed-integer") : notA("unsigned-integer", "unsigned-integer");
}

function readFlags(elements: Elements, out: Uint8Array): Uint8Array {
  let index = 0;
  for (let at = elements.next(); at !== -1; at = elements.next()) {
    const isTrue = elements.text.startsWith("true", at);
    if (!isTrue && !elements.text.startsWith("false", at)) throw notA("boolean", "boolean");
    out[index++] = isTrue ? 1 : 0;
    elements.passed(at + (isTrue ? 4 : 5));
  }
  return out;
}

/** Twice over the text: the strings' lengths decide how much memory it takes. */
function readStrings(text: string, start: number, slot: DataSlot): Uint8Array {
  let bytes = 0;
  const measured = new Elements(text, start);
  for (let at = measured.next(); at !== -1; at = measured.next()) {
    if (text.charCodeAt(at) !== 0x22) {
      throw internal("Unable to parse JSON bytes array: attempt to access JSON non-string as string");
    }
    const end = stringEnd(text, at);
    const raw = text.slice(at + 1, end);
    bytes += 4 + (raw.includes("\\") ? Buffer.byteLength(unescaped(raw)) : raw.length);
    checkBytes(bytes, slot);
    measured.passed(end + 1);
  }
  const out = Buffer.alloc(bytes);
  let offset = 0;
  const elements = new Elements(text, start);
  for (let at = elements.next(); at !== -1; at = elements.next()) {
    const end = stringEnd(text, at);
    const raw = text.slice(at + 1, end);
    const length = raw.includes("\\") ? out.write(unescaped(raw), offset + 4, "utf8") : out.write(raw, offset + 4, "latin1");
    out.writeUInt32LE(length, offset);
    offset += 4 + length;
    elements.passed(end + 1);
  }
  return new Uint8Array(out.buffer, out.byteOffset, bytes);
}

/** The closing quotation mark of the checked string that opens at `at`. */
function stringEnd(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); ; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

/** A digit, a sign, or the first letter of Infinity and NaN. */
function startsNumber(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x49 || code === 0x4e;
}

function notA(kind: string, wanted: string) {
  return internal(`${UNREADABLE}: attempt to access JSON non-${kind} as ${wanted}`);
}

function otherShape() {
  return internal(`${UNREADABLE}: Shape does not match true shape of 'data' field`);
}

/** The elements of checked JSON, nested or not; 1 for a scalar. */
export function countElements(text: string, start: number): number {
  const elements = new Elements(text, start);
  let count = 0;
  for (let at = elements.next(); at !== -1; at = elements.next()) {
    elements.passed(elementEnd(text, at));
    count++;
  }
  return count;
}

function elementEnd(text: string, at: number): number {
  if (text.charCodeAt(at) === 0x22) return stringEnd(text, at) + 1;
  let end = at;
  while (end < text.length && !/[,\]\s]/.test(text.charAt(end))) end++;
  return end;
}
