/**
 * JSON as the protocol has it: whole numbers that a number cannot hold become bigint, and the tokens NaN and Infinity, which servers
 * write though JSON has none, become those numbers. Pure.
 */
import { unreadable } from "./client-error.ts";

const MANY_DIGITS = /\d{16}/;
/** Texts are matched to be passed over. */
const TEXT_OR_TOKEN = /"(?:[^"\\]|\\.)*"|-?Inf(?:inity)?|NaN/g;
const MARK = "\u0000number:";

interface NumberSource {
  readonly source?: string;
}

/** @throws ClientError INTERNAL when the text is no JSON */
export function parseJson(text: string): unknown {
  try {
    return parseNumbers(text);
  } catch {
    return parseTokens(text);
  }
}

function parseNumbers(text: string): unknown {
  return MANY_DIGITS.test(text) ? JSON.parse(text, exactInteger) : JSON.parse(text);
}

/** Where the run-time does not tell the source, the number stays as near as a number is. */
function exactInteger(_: string, value: unknown, context?: NumberSource): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

function parseTokens(text: string): unknown {
  const marked = text.replaceAll(TEXT_OR_TOKEN, (found) => (found.startsWith('"') ? found : JSON.stringify(MARK + found)));
  try {
    return JSON.parse(marked, (key, value, context?: NumberSource) => {
      if (typeof value === "string" && value.startsWith(MARK)) return Number(value.slice(MARK.length).replace(/Inf$/, "Infinity"));
      return exactInteger(key, value, context);
    });
  } catch (thrown) {
    throw unreadable(`no JSON: ${text.slice(0, 100)}`, thrown);
  }
}
