/** JSON from outside: well-formed UTF-8, of bounded depth, checked before anything is built. Pure. */
import { ServingError } from "../../core/errors.ts";

/** As in Triton. */
export const JSON_DEPTH_MAX = 100;

const decoder = new TextDecoder("utf-8", { fatal: true });

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** The deepest nesting, or `depthMax + 1` as soon as that is reached. Strings are skipped at the speed of a byte search. */
export function jsonDepth(bytes: Uint8Array, depthMax: number): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = stringEnd(bytes, at);
    } else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      depth++;
      if (depth > deepest) deepest = depth;
      if (deepest > depthMax) return deepest;
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      depth--;
    }
  }
  return deepest;
}

/** Where the string that opens at `start` closes; the end of the text when it does not. */
function stringEnd(bytes: Uint8Array, start: number): number {
  for (let at = bytes.indexOf(QUOTE, start + 1); at !== -1; at = bytes.indexOf(QUOTE, at + 1)) {
    let backslashes = 0;
    while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return bytes.length;
}

/**
 * @throws ServingError INVALID_ARGUMENT with reason `json_too_deep` or `malformed_json`; the latter's cause is the parser's error.
 */
export function parseJsonText(bytes: Uint8Array): unknown {
  if (jsonDepth(bytes, JSON_DEPTH_MAX) > JSON_DEPTH_MAX) {
    const message = `JSON nesting depth exceeds maximum allowed limit (${JSON_DEPTH_MAX})`;
    throw new ServingError("INVALID_ARGUMENT", message, { reason: "json_too_deep" });
  }
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return value;
  } catch (cause) {
    throw malformed(cause, bytes.length);
  }
}

function malformed(cause: unknown, byteLength: number): ServingError {
  const said = cause instanceof SyntaxError ? cause.message : "not UTF-8";
  const position = /at position (\d+)/.exec(said)?.[1] ?? String(byteLength);
  return new ServingError("INVALID_ARGUMENT", `the body is not valid JSON: error at position ${position}`, {
    cause,
    reason: "malformed_json",
  });
}

export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
