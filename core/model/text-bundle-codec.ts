/** `text.json`: a text bundle as bytes, and back with every field checked. The digest names the bytes. Pure. */
import { createHash } from "node:crypto";
import { ServingError } from "../errors.ts";
import { isCount, jsonCount, jsonField, jsonFlag, jsonList, jsonObject, jsonText } from "./json-value.ts";
import type { HuggingFaceTokenizer, SentencePieceTokenizer, TextBundle } from "./text-bundle.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The same bundle gives the same bytes: fields in a fixed order, absent ones left out. */
export function serializeTextBundle(bundle: TextBundle): Uint8Array {
  const ordered: Record<keyof TextBundle, unknown> = {
    format: bundle.format,
    vocabSize: bundle.vocabSize,
    contextLength: bundle.contextLength,
    bosId: bundle.bosId,
    addBos: bundle.addBos,
    bosToken: bundle.bosToken,
    eosToken: bundle.eosToken,
    stopIds: bundle.stopIds,
    chatTemplate: bundle.chatTemplate,
    tokenizer: bundle.tokenizer,
  };
  return encoder.encode(JSON.stringify(ordered));
}

/** sha256 of a serialized bundle, hexadecimal. */
export function textBundleDigest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function invalid(field: string, cause?: unknown): ServingError {
  return new ServingError("DATA_LOSS", `text.json has no valid '${field}': cut the model again`, { cause });
}

function required<Value>(value: Value | undefined, field: string): Value {
  if (value === undefined) throw invalid(field);
  return value;
}

function listOf<Item>(value: unknown, field: string, isItem: (item: unknown) => item is Item): readonly Item[] {
  const list = jsonField(value, field);
  if (!Array.isArray(list) || !list.every(isItem)) throw invalid(field);
  return list;
}

const isText = (item: unknown): item is string => typeof item === "string";
const isNumber = (item: unknown): item is number => typeof item === "number";

function parseSentencePiece(value: object): SentencePieceTokenizer {
  const tokens = listOf(value, "tokens", isText);
  const scores = listOf(value, "scores", isNumber);
  const types = listOf(value, "types", isNumber);
  if (scores.length !== tokens.length) throw invalid("scores");
  if (types.length !== tokens.length) throw invalid("types");
  return { kind: "sentencepiece", tokens, scores, types, addSpacePrefix: required(jsonFlag(value, "addSpacePrefix"), "addSpacePrefix") };
}

function parseHuggingFace(value: object): HuggingFaceTokenizer {
  const tokenizer = required(jsonObject(value, "tokenizer"), "tokenizer.tokenizer");
  if (jsonObject(tokenizer, "model") === undefined) throw invalid("tokenizer.tokenizer.model");
  for (const added of jsonList(tokenizer, "added_tokens")) {
    if (jsonCount(added, "id") === undefined || jsonText(added, "content") === undefined) throw invalid("tokenizer.tokenizer.added_tokens");
  }
  return { kind: "huggingface", tokenizer, config: required(jsonObject(value, "config"), "tokenizer.config") };
}

function parseTokenizer(value: object): TextBundle["tokenizer"] {
  const kind = jsonText(value, "kind");
  if (kind === "sentencepiece") return parseSentencePiece(value);
  if (kind === "huggingface") return parseHuggingFace(value);
  throw invalid("tokenizer.kind");
}

/** @throws ServingError DATA_LOSS naming the field that is missing or of the wrong type. */
export function parseTextBundle(bytes: Uint8Array): TextBundle {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new ServingError("DATA_LOSS", "text.json is not JSON: cut the model again", { cause });
  }
  if (jsonField(value, "format") !== 1) throw invalid("format");
  const chatTemplate = jsonField(value, "chatTemplate");
  if (chatTemplate !== undefined && !isText(chatTemplate)) throw invalid("chatTemplate");
  const bosId = jsonField(value, "bosId");
  if (bosId !== undefined && !isCount(bosId)) throw invalid("bosId");
  return {
    format: 1,
    tokenizer: parseTokenizer(required(jsonObject(value, "tokenizer"), "tokenizer")),
    chatTemplate,
    bosId,
    addBos: required(jsonFlag(value, "addBos"), "addBos"),
    bosToken: required(jsonText(value, "bosToken"), "bosToken"),
    eosToken: required(jsonText(value, "eosToken"), "eosToken"),
    stopIds: listOf(value, "stopIds", isCount),
    vocabSize: required(jsonCount(value, "vocabSize"), "vocabSize"),
    contextLength: required(jsonCount(value, "contextLength"), "contextLength"),
  };
}
