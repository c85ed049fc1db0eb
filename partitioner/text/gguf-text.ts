/** A text bundle from a GGUF file's metadata. Keys as in ggml's docs/gguf.md. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { HuggingFaceTokenizer, SentencePieceTokenizer, TextBundle } from "../../core/model/text-bundle.ts";
import { PRE_TOKENIZER_NAMES, preTokenization } from "./pre-tokenizers.ts";
import { stopTokenIds } from "./stop-tokens.ts";

export type GgufMetadata = ReadonlyMap<string, unknown>;

/** GGUF token types; see `SentencePieceTokenizer.types`. */
const CONTROL = 3;
const USER_DEFINED = 4;

function wrong(key: string): ServingError {
  return new ServingError("FAILED_PRECONDITION", `the GGUF file has no valid '${key}': it holds no tokenizer that can be used`);
}

function text(metadata: GgufMetadata, key: string): string | undefined {
  const value = metadata.get(key);
  if (value !== undefined && typeof value !== "string") throw wrong(key);
  return value;
}

function flag(metadata: GgufMetadata, key: string): boolean | undefined {
  const value = metadata.get(key);
  if (value !== undefined && typeof value !== "boolean") throw wrong(key);
  return value;
}

/** Readers give 64-bit counts as bigint. */
function count(metadata: GgufMetadata, key: string): number | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0) throw wrong(key);
  return number;
}

function texts(metadata: GgufMetadata, key: string): readonly string[] {
  const value = metadata.get(key);
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) throw wrong(key);
  return value;
}

/** Readers give numbers as an array or a typed array. */
function numbers(metadata: GgufMetadata, key: string, length: number): readonly number[] {
  const value = metadata.get(key);
  const list: readonly unknown[] = Array.isArray(value) || value instanceof Int32Array || value instanceof Float32Array ? [...value] : [];
  if (list.length !== length || !list.every((item) => typeof item === "number")) throw wrong(key);
  return list;
}

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
}

function readVocabulary(metadata: GgufMetadata): Vocabulary {
  const tokens = texts(metadata, "tokenizer.ggml.tokens");
  if (tokens.length === 0) throw wrong("tokenizer.ggml.tokens");
  const hasTypes = metadata.has("tokenizer.ggml.token_type");
  return { tokens, types: hasTypes ? numbers(metadata, "tokenizer.ggml.token_type", tokens.length) : tokens.map(() => 1) };
}

/** Control and user-defined tokens: found in a text as they are. */
function addedTokens({ tokens, types }: Vocabulary): readonly { readonly id: number; readonly text: string; readonly type: number }[] {
  return tokens.flatMap((token, id) => {
    const type = types[id] ?? 0;
    return token !== "" && (type === CONTROL || type === USER_DEFINED) ? [{ id, text: token, type }] : [];
  });
}

/** The tokenizer.json that the model was converted from, as far as encoding and decoding need it. */
function byteLevelTokenizer(metadata: GgufMetadata, vocabulary: Vocabulary): HuggingFaceTokenizer & { readonly addBos: boolean } {
  const name = text(metadata, "tokenizer.ggml.pre") ?? "gpt-2";
  const pre = preTokenization(name);
  if (pre === undefined) {
    const known = PRE_TOKENIZER_NAMES.join(", ");
    throw new ServingError(
      "UNIMPLEMENTED",
      `tokenizer.ggml.pre '${name}' is not known, only ${known}: use the model's Hugging Face folder`,
    );
  }
  const addedAs = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary).map(({ id, text: content, type }) => ({ id, content, ...addedAs, special: type === CONTROL })),
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: pre.steps },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.ignoreMerges,
      vocab: Object.fromEntries(vocabulary.tokens.map((token, id) => [token, id])),
      merges: texts(metadata, "tokenizer.ggml.merges"),
    },
  };
  return { kind: "huggingface", tokenizer, config: { clean_up_tokenization_spaces: false }, addBos: pre.addBos };
}

function sentencePieceTokenizer(metadata: GgufMetadata, { tokens, types }: Vocabulary): SentencePieceTokenizer {
  const scores = numbers(metadata, "tokenizer.ggml.scores", tokens.length);
  return { kind: "sentencepiece", tokens, scores, types, addSpacePrefix: flag(metadata, "tokenizer.ggml.add_space_prefix") ?? true };
}

/** The tokenizer, and whether texts begin with beginning-of-sequence when the file does not say. */
function readTokenizer(metadata: GgufMetadata, vocabulary: Vocabulary): Pick<TextBundle, "tokenizer" | "addBos"> {
  const model = text(metadata, "tokenizer.ggml.model");
  if (model === "llama") return { tokenizer: sentencePieceTokenizer(metadata, vocabulary), addBos: true };
  if (model === "gpt2") {
    const { addBos, ...tokenizer } = byteLevelTokenizer(metadata, vocabulary);
    return { tokenizer, addBos };
  }
  throw new ServingError("UNIMPLEMENTED", `tokenizer.ggml.model '${model ?? ""}' is not known, only gpt2 and llama`);
}

/** @throws ServingError FAILED_PRECONDITION naming the key that is missing or damaged, UNIMPLEMENTED for unknown tokenizers. */
export function ggufTextBundle(metadata: GgufMetadata): TextBundle {
  const vocabulary = readVocabulary(metadata);
  const { tokenizer, addBos } = readTokenizer(metadata, vocabulary);
  const id = (name: string): number | undefined => {
    const value = count(metadata, `tokenizer.ggml.${name}_token_id`);
    return value !== undefined && value < vocabulary.tokens.length ? value : undefined;
  };
  const spelled = (token: number | undefined): string => (token === undefined ? "" : (vocabulary.tokens[token] ?? ""));
  const architecture = text(metadata, "general.architecture") ?? "";
  const contextLength = count(metadata, `${architecture}.context_length`);
  if (contextLength === undefined) throw wrong(`${architecture}.context_length`);
  return {
    format: 1,
    tokenizer,
    chatTemplate: text(metadata, "tokenizer.chat_template"),
    bosId: id("bos"),
    addBos: flag(metadata, "tokenizer.ggml.add_bos_token") ?? addBos,
    bosToken: spelled(id("bos")),
    eosToken: spelled(id("eos")),
    stopIds: stopTokenIds([id("eos"), id("eot"), id("eom")], addedTokens(vocabulary)),
    vocabSize: vocabulary.tokens.length,
    contextLength,
  };
}
