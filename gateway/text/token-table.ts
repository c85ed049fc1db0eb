/**
 * What each token id stands for in bytes, laid out flat at load so that detokenizing is arithmetic: byte-level vocabularies by
 * GPT-2's byte alphabet, SentencePiece ones by `▁` and `<0xNN>`. Pure.
 */
import { ServingError } from "../../core/errors.ts";
import { jsonCount, jsonField, jsonFlag, jsonList, jsonObject, jsonText } from "../../core/model/json-value.ts";
import type { HuggingFaceTokenizer, SentencePieceTokenizer, TextBundle } from "../../core/model/text-bundle.ts";

export interface TokenTable {
  /** Bytes of all tokens, one after another. */
  readonly bytes: Uint8Array;
  /** Token i is bytes[offsets[i], offsets[i + 1]); one more than there are tokens. */
  readonly offsets: Uint32Array;
  /** `bytes` as Latin-1, so that the text of a token with the flag ASCII is a slice of it. */
  readonly latin1: string;
  /** Per token: SILENT, ASCII or both. */
  readonly flags: Uint8Array;
  /** SentencePiece with a space prefix: the space before a text's first word is the tokenizer's, not the text's. */
  readonly stripsFirstSpace: boolean;
}

/** Flag: contributes nothing to a text (control and unknown tokens, ids that end a generation). */
export const SILENT = 1;
/** Flag: all bytes below 0x80, so each is a character of its own. */
export const ASCII = 2;

/** Ids above this are taken for damage, not for a vocabulary. */
const TOKENS_MAX = 1 << 22;

/** How a token's spelling in the vocabulary becomes bytes. */
type Spelling = "byte-level" | "sentencepiece" | "verbatim";

interface TableEntry {
  readonly id: number;
  readonly text: string;
  readonly spelling: Spelling;
  readonly silent: boolean;
}

/**
 * GPT-2's alphabet: bytes that print stand for themselves, the others follow from U+0100 on.
 * Source: openai/gpt-2 encoder.py, bytes_to_unicode. 0 to 255 by code unit; 256 means not in the alphabet.
 */
const BYTE_OF_UNIT: Uint16Array = (() => {
  const table = new Uint16Array(0x180).fill(256);
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table[prints ? byte : next++] = byte;
  }
  return table;
})();

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;
const encoder = new TextEncoder();

/** Writes a byte-level token at `offset`; what is not in the alphabet is written as UTF-8. @returns the end */
function writeByteLevel(text: string, target: Uint8Array, offset: number): number {
  let end = offset;
  for (let index = 0; index < text.length; index++) {
    const byte = BYTE_OF_UNIT[text.charCodeAt(index)] ?? 256;
    if (byte > 255) return offset + encoder.encodeInto(text, target.subarray(offset)).written;
    target[end++] = byte;
  }
  return end;
}

/** @returns the end of what was written */
function writeToken(entry: TableEntry, target: Uint8Array, offset: number): number {
  if (entry.spelling === "byte-level") return writeByteLevel(entry.text, target, offset);
  if (entry.spelling === "verbatim") return offset + encoder.encodeInto(entry.text, target.subarray(offset)).written;
  const byte = BYTE_TOKEN.exec(entry.text)?.[1];
  if (byte !== undefined) {
    target[offset] = Number.parseInt(byte, 16);
    return offset + 1;
  }
  return offset + encoder.encodeInto(entry.text.replaceAll("\u2581", " "), target.subarray(offset)).written;
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index++) if ((bytes[index] ?? 0x80) >= 0x80) return false;
  return true;
}

function layOut(entries: readonly (TableEntry | undefined)[], stripsFirstSpace: boolean): TokenTable {
  const capacity = entries.reduce((sum, entry) => sum + (entry === undefined ? 0 : entry.text.length * 3), 0);
  const target = new Uint8Array(capacity);
  const offsets = new Uint32Array(entries.length + 1);
  const flags = new Uint8Array(entries.length);
  let offset = 0;
  for (const [id, entry] of entries.entries()) {
    const end = entry === undefined ? offset : writeToken(entry, target, offset);
    flags[id] = (entry === undefined || entry.silent ? SILENT : 0) | (isAscii(target, offset, end) ? ASCII : 0);
    offsets[id + 1] = end;
    offset = end;
  }
  const bytes = target.slice(0, offset);
  return { bytes, offsets, latin1: Buffer.from(bytes.buffer).toString("latin1"), flags, stripsFirstSpace };
}

/** The types of a decoder or pre-tokenizer and of everything nested in it. */
function* stepsOf(step: unknown): Iterable<object> {
  if (typeof step !== "object" || step === null) return;
  yield step;
  for (const inner of [...jsonList(step, "decoders"), ...jsonList(step, "pretokenizers")]) yield* stepsOf(inner);
}

function stripsSpace(step: object): boolean {
  const type = jsonText(step, "type");
  if (type === "Strip") return jsonText(step, "content") === " " && (jsonCount(step, "start") ?? 0) > 0;
  if (type !== "Metaspace") return false;
  const scheme = jsonText(step, "prepend_scheme");
  return scheme === undefined ? jsonFlag(step, "add_prefix_space") !== false : scheme !== "never";
}

/** @throws ServingError UNIMPLEMENTED when the vocabulary's spelling is neither byte-level nor SentencePiece's. */
function spellingOf(tokenizer: object): Spelling {
  const steps = [...stepsOf(jsonField(tokenizer, "decoder")), ...stepsOf(jsonField(tokenizer, "pre_tokenizer"))];
  const types = steps.map((step) => jsonText(step, "type"));
  if (types.includes("ByteLevel")) return "byte-level";
  if (types.includes("Metaspace") || types.includes("ByteFallback")) return "sentencepiece";
  if (steps.some((step) => jsonText(step, "type") === "Replace" && jsonText(jsonField(step, "pattern"), "String") === "\u2581"))
    return "sentencepiece";
  throw new ServingError(
    "UNIMPLEMENTED",
    "the tokenizer's decoder is neither byte-level nor SentencePiece: this model cannot generate text",
  );
}

/**
 * Visits a tokenizer.json's vocabulary: an object for BPE, an array of [token, score] for Unigram. By key and look-up:
 * `Object.entries` makes a pair per token and was the slower in every run over 49,152 tokens (Node 24).
 */
function eachToken(model: unknown, visit: (token: string, id: unknown) => void): void {
  const vocabulary = jsonField(model, "vocab");
  if (typeof vocabulary !== "object" || vocabulary === null) return;
  if (Array.isArray(vocabulary)) for (const [id, pair] of vocabulary.entries()) visit(Array.isArray(pair) ? String(pair[0]) : "", id);
  else for (const token of Object.keys(vocabulary)) visit(token, Reflect.get(vocabulary, token));
}

function place(entries: (TableEntry | undefined)[], entry: TableEntry): void {
  if (!Number.isSafeInteger(entry.id) || entry.id < 0 || entry.id >= TOKENS_MAX)
    throw new ServingError("DATA_LOSS", `token ${JSON.stringify(entry.text.slice(0, 40))} has id ${entry.id}, at most ${TOKENS_MAX - 1}`);
  while (entries.length <= entry.id) entries.push(undefined);
  entries[entry.id] = entry;
}

function huggingFaceTable(source: HuggingFaceTokenizer, stopIds: ReadonlySet<number>): TokenTable {
  const spelling = spellingOf(source.tokenizer);
  const entries: (TableEntry | undefined)[] = [];
  eachToken(jsonObject(source.tokenizer, "model"), (text, id) => {
    if (typeof id !== "number") throw new ServingError("DATA_LOSS", `token ${JSON.stringify(text.slice(0, 40))} has no id`);
    place(entries, { id, text, spelling, silent: stopIds.has(id) });
  });
  for (const added of jsonList(source.tokenizer, "added_tokens")) {
    const id = jsonCount(added, "id");
    const text = jsonText(added, "content");
    if (id === undefined || text === undefined) throw new ServingError("DATA_LOSS", "an added token has no id or no content");
    place(entries, { id, text, spelling: "verbatim", silent: stopIds.has(id) || jsonFlag(added, "special") === true });
  }
  if (entries.length === 0) throw new ServingError("DATA_LOSS", "the tokenizer has no vocabulary");
  return layOut(entries, [...stepsOf(jsonField(source.tokenizer, "decoder"))].some(stripsSpace));
}

/** GGUF token types that stand for no text: unknown, control, unused. */
const SILENT_TYPES: ReadonlySet<number | undefined> = new Set([2, 3, 5]);

function sentencePieceTable(source: SentencePieceTokenizer, stopIds: ReadonlySet<number>): TokenTable {
  const entries = source.tokens.map((text, id): TableEntry => {
    const silent = stopIds.has(id) || SILENT_TYPES.has(source.types[id]);
    return { id, text, spelling: silent ? "verbatim" : "sentencepiece", silent };
  });
  return layOut(entries, source.addSpacePrefix);
}

/** @throws ServingError DATA_LOSS for a damaged vocabulary, UNIMPLEMENTED for a kind that cannot be spelled in bytes. */
export function tokenTable(bundle: TextBundle): TokenTable {
  const stopIds = new Set(bundle.stopIds);
  return bundle.tokenizer.kind === "huggingface"
    ? huggingFaceTable(bundle.tokenizer, stopIds)
    : sentencePieceTable(bundle.tokenizer, stopIds);
}

const NO_BYTES = new Uint8Array(0);

export function isSilent(table: TokenTable, id: number): boolean {
  return ((table.flags[id] ?? SILENT) & SILENT) !== 0;
}

/** A token's own bytes, of silent ones their name in the vocabulary; a view, read only. Empty for ids outside the vocabulary. */
export function spelledBytes(table: TokenTable, id: number): Uint8Array {
  const start = table.offsets[id];
  const end = table.offsets[id + 1];
  return start === undefined || end === undefined ? NO_BYTES : table.bytes.subarray(start, end);
}

/** What a token adds to a text, in bytes; a view, read only. Empty for silent tokens. */
export function tokenBytes(table: TokenTable, id: number): Uint8Array {
  return isSilent(table, id) ? NO_BYTES : spelledBytes(table, id);
}
