/** Small text bundles: a byte-level vocabulary and a SentencePiece one, each able to encode any text. */
import type { HuggingFaceTokenizer, SentencePieceTokenizer, TextBundle } from "../../core/model/text-bundle.ts";

/** The character that a byte-level vocabulary writes for each byte (GPT-2's alphabet). */
export function byteAlphabet(): readonly string[] {
  const prints = (byte: number): boolean => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !prints(byte));
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(prints(byte) ? byte : 256 + others.indexOf(byte)));
}

const PLAIN: Omit<TextBundle, "tokenizer"> = {
  format: 1,
  chatTemplate: undefined,
  bosId: undefined,
  addBos: false,
  bosToken: "",
  eosToken: "",
  stopIds: [],
  vocabSize: 0,
  contextLength: 128,
};

/** 256 bytes by value, then a token per merge, then `<|end|>` (control) and `<tool>` (user-defined). */
export function byteLevelBundle(merges: readonly string[] = [], changes: Partial<TextBundle> = {}): TextBundle {
  const tokens = [...byteAlphabet(), ...merges.map((merge) => merge.replace(" ", ""))];
  const added = [
    { id: tokens.length, content: "<|end|>", special: true, normalized: false },
    { id: tokens.length + 1, content: "<tool>", special: false, normalized: false },
  ];
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, use_regex: true };
  const tokenizer: HuggingFaceTokenizer = {
    kind: "huggingface",
    tokenizer: {
      added_tokens: added,
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: { type: "BPE", vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges },
    },
    config: {},
  };
  return { ...PLAIN, tokenizer, stopIds: [tokens.length], vocabSize: tokens.length + 2, ...changes };
}

/** `<unk>` 0, `<s>` 1, `</s>` 2, the bytes from 3 on, then the given pieces with their scores. */
export function sentencePieceBundle(
  pieces: readonly (readonly [piece: string, score: number])[],
  changes: Partial<Omit<SentencePieceTokenizer, "kind">> & { readonly addBos?: boolean } = {},
): TextBundle {
  const { addBos = false, ...tokenizerChanges } = changes;
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...pieces.map(([piece]) => piece)];
  const tokenizer: SentencePieceTokenizer = {
    kind: "sentencepiece",
    tokens,
    scores: [0, 0, 0, ...bytes.map(() => 0), ...pieces.map(([, score]) => score)],
    types: [2, 3, 3, ...bytes.map(() => 6), ...pieces.map(() => 1)],
    addSpacePrefix: true,
    ...tokenizerChanges,
  };
  return { ...PLAIN, tokenizer, bosId: 1, addBos, bosToken: "<s>", eosToken: "</s>", stopIds: [2], vocabSize: tokens.length };
}
