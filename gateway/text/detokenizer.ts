/**
 * Token ids to text, one at a time: never half a character, and never U+FFFD unless the tokens themselves spell bytes that are
 * no UTF-8. The pieces and the flush together are the text of all bytes decoded at once. Pure.
 */
import { ASCII, SILENT, spelledBytes, type TokenTable } from "./token-table.ts";

export interface DetokenizerState {
  /** The bytes of a character that is not complete yet: 0 to 3. */
  readonly pending: Uint8Array;
  /** The next byte is the text's first, and a space there is the tokenizer's own. */
  readonly dropsSpace: boolean;
}

export interface DetokenizerStep {
  readonly state: DetokenizerState;
  readonly piece: string;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // U+FEFF is text here
const CLEAR: DetokenizerState = { pending: new Uint8Array(0), dropsSpace: false };
const AT_START: DetokenizerState = { ...CLEAR, dropsSpace: true };

/**
 * @param options.textStart true when the tokens begin a text of their own (a chat's answer), false when they go on with one (a
 * completion's prompt), where SentencePiece's first space belongs to the text.
 */
export function startDetokenizer(table: TokenTable, options: { readonly textStart: boolean }): DetokenizerState {
  return options.textStart && table.stripsFirstSpace ? AT_START : CLEAR;
}

function bytesNeeded(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
}

/** Second bytes that no character has: overlong forms, surrogates, beyond U+10FFFF. Source: The Unicode Standard, table 3-7. */
function rulesOut(lead: number, second: number): boolean {
  return (
    (lead === 0xe0 && second < 0xa0) ||
    (lead === 0xed && second > 0x9f) ||
    (lead === 0xf0 && second < 0x90) ||
    (lead === 0xf4 && second > 0x8f)
  );
}

/** How many bytes at the end begin a character that more bytes may complete: 0 to 3. What stands before decodes for good. */
function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const lead = bytes[bytes.length - back] ?? 0;
    if (lead >= 0x80 && lead <= 0xbf) continue;
    const complete = bytesNeeded(lead) <= back;
    return complete || (back > 1 && rulesOut(lead, bytes[bytes.length - back + 1] ?? 0)) ? 0 : back;
  }
  return 0;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** Silent tokens and ids outside the vocabulary give the same state and an empty piece. */
export function detokenize(table: TokenTable, state: DetokenizerState, id: number): DetokenizerStep {
  const flags = table.flags[id] ?? SILENT;
  if ((flags & SILENT) !== 0) return { state, piece: "" };
  if (state === CLEAR && (flags & ASCII) !== 0) return { state, piece: table.latin1.slice(table.offsets[id], table.offsets[id + 1]) };
  const own = spelledBytes(table, id);
  if (own.length === 0) return { state, piece: "" };
  const bytes = joined(state.pending, state.dropsSpace && own[0] === 0x20 ? own.subarray(1) : own);
  const tail = incompleteTail(bytes);
  const piece = decoder.decode(bytes.subarray(0, bytes.length - tail));
  return { state: tail === 0 ? CLEAR : { pending: bytes.slice(bytes.length - tail), dropsSpace: false }, piece };
}

/** What is left when no more tokens come: U+FFFD for a character that was never completed. */
export function flushDetokenizer(state: DetokenizerState): string {
  return decoder.decode(state.pending);
}
