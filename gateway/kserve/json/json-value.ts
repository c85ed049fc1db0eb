/** JSON as it was scanned: what tells Triton's types apart, and text that is read only when somebody wants it. Pure. */
import { assert } from "../../../core/errors.ts";

/** A number with a fraction or an exponent, or too large for any integer. */
export class JsonReal {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A value that was only checked: its place in the text. */
export class JsonSpan {
  readonly start: number;
  readonly end: number;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }
}

/** Members in the text's order. A look-up finds the first of a name, as in RapidJSON. */
export class JsonObject {
  readonly names: string[] = [];
  readonly values: JsonValue[] = [];

  get(name: string): JsonValue | undefined {
    const index = this.names.indexOf(name);
    return index === -1 ? undefined : this.values[index];
  }
}

/** Integers are numbers where those are exact, else bigints within 64 bits. */
export type JsonValue = null | boolean | string | number | bigint | JsonReal | JsonSpan | readonly JsonValue[] | JsonObject;

/** JSON's bytes as text, one character a byte: what the scanner and the readers of spans work on. */
export function bytesAsText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** @param raw characters that stand for bytes of UTF-8 */
export function textOfBytes(raw: string): string {
  return isAscii(raw) ? raw : Buffer.from(raw, "latin1").toString("utf8");
}

function isAscii(raw: string): boolean {
  for (let at = 0; at < raw.length; at++) if (raw.charCodeAt(at) > 0x7f) return false;
  return true;
}

/** @param raw a checked string's inside, escapes and all */
export function unescaped(raw: string): string {
  const text = textOfBytes(raw);
  if (!raw.includes("\\")) return text;
  const value: unknown = JSON.parse(`"${text}"`);
  assert(typeof value === "string", "a string is a string");
  return value;
}
