/** A text bundle from GGUF metadata: both kinds of vocabulary, defaults, and clear words for what is missing. */
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../../../../gateway/text/tokenizer.ts";
import { type GgufMetadata, ggufTextBundle } from "../../../../partitioner/text/gguf-text.ts";
import { PRE_TOKENIZER_NAMES } from "../../../../partitioner/text/pre-tokenizers.ts";
import { byteAlphabet } from "../../../support/text-bundles.ts";

const TOKENS = [...byteAlphabet(), "he", "<|im_end|>", "<tool>", "<s>"]; // 256, 257, 258, 259
const TYPES = [...byteAlphabet().map(() => 1), 1, 3, 4, 3];

function byteLevel(changes: Readonly<Record<string, unknown>> = {}): GgufMetadata {
  return new Map(
    Object.entries({
      "general.architecture": "llama",
      "llama.context_length": 2048,
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": "smollm",
      "tokenizer.ggml.tokens": TOKENS,
      "tokenizer.ggml.token_type": TYPES,
      "tokenizer.ggml.merges": ["h e"],
      "tokenizer.ggml.bos_token_id": 259,
      "tokenizer.ggml.eos_token_id": 0,
      ...changes,
    }).filter(([, value]) => value !== undefined),
  );
}

function sentencePiece(changes: Readonly<Record<string, unknown>> = {}): GgufMetadata {
  return byteLevel({
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.pre": undefined,
    "tokenizer.ggml.merges": undefined,
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "\u2581a"],
    "tokenizer.ggml.token_type": Int32Array.from([2, 3, 3, 1]),
    "tokenizer.ggml.scores": Float32Array.from([0, 0, 0, -1.5]),
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    ...changes,
  });
}

const encode = (metadata: GgufMetadata, text: string): number[] => [
  ...createTokenizer(ggufTextBundle(metadata)).encode(text, { addSpecial: true }),
];

describe("a byte-level GGUF vocabulary", () => {
  test("becomes a bundle with its ids, texts and ends of generation", () => {
    const bundle = ggufTextBundle(byteLevel({ "tokenizer.chat_template": "{{ x }}", "tokenizer.ggml.eot_token_id": 256 }));
    expect(bundle).toMatchObject({
      chatTemplate: "{{ x }}",
      bosId: 259,
      bosToken: "<s>",
      eosToken: byteAlphabet()[0],
      addBos: false,
      stopIds: [0, 256, 257],
      vocabSize: 260,
      contextLength: 2048,
    });
  });

  test("merges, splits digits, and finds control and user-defined tokens in a text", () => {
    expect(encode(byteLevel(), "he<|im_end|>12<tool>")).toEqual([256, 257, 0x31, 0x32, 258]);
  });

  test.each(PRE_TOKENIZER_NAMES)("of kind '%s' encodes any text and gives it back", (pre) => {
    const tokenizer = createTokenizer(ggufTextBundle(byteLevel({ "tokenizer.ggml.pre": pre, "tokenizer.ggml.add_bos_token": false })));
    const text = "Don't PANIC, it's  1234½ Ⅳ times\r\n\n\tnaïve 日本語 e\u0301 #!/x <he>😀 ";
    expect(tokenizer.decode(tokenizer.encode(text, { addSpecial: true }))).toBe(text);
  });

  test("begins texts with bos for Llama 3, unless the file says otherwise", () => {
    expect(encode(byteLevel({ "tokenizer.ggml.pre": "llama-bpe" }), "he")).toEqual([259, 256]);
    expect(encode(byteLevel({ "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.add_bos_token": false }), "he")).toEqual([256]);
    expect(encode(byteLevel({ "tokenizer.ggml.add_bos_token": true }), "he")).toEqual([259, 256]);
  });

  test("takes counts that readers give as bigint, and ignores ids outside the vocabulary", () => {
    const bundle = ggufTextBundle(byteLevel({ "llama.context_length": 4096n, "tokenizer.ggml.bos_token_id": 4_294_967_295 }));
    expect(bundle).toMatchObject({ contextLength: 4096, bosId: undefined, bosToken: "" });
  });
});

describe("a SentencePiece GGUF vocabulary", () => {
  test("keeps its scores and types, and begins texts with a space and bos", () => {
    expect(ggufTextBundle(sentencePiece()).tokenizer).toEqual({
      kind: "sentencepiece",
      tokens: ["<unk>", "<s>", "</s>", "\u2581a"],
      scores: [0, 0, 0, -1.5],
      types: [2, 3, 3, 1],
      addSpacePrefix: true,
    });
    expect(encode(sentencePiece(), "a")).toEqual([1, 3]);
    expect(encode(sentencePiece({ "tokenizer.ggml.add_space_prefix": false }), " a")).toEqual([1, 3]);
  });
});

describe("GGUF metadata without a usable tokenizer", () => {
  test.each([
    ["tokenizer.ggml.tokens", byteLevel({ "tokenizer.ggml.tokens": undefined })],
    ["tokenizer.ggml.tokens", byteLevel({ "tokenizer.ggml.tokens": [] })],
    ["tokenizer.ggml.tokens", byteLevel({ "tokenizer.ggml.tokens": [1] })],
    ["tokenizer.ggml.token_type", byteLevel({ "tokenizer.ggml.token_type": [1] })],
    ["tokenizer.ggml.merges", byteLevel({ "tokenizer.ggml.merges": undefined })],
    ["tokenizer.ggml.scores", sentencePiece({ "tokenizer.ggml.scores": undefined })],
    ["tokenizer.ggml.add_bos_token", byteLevel({ "tokenizer.ggml.add_bos_token": 1 })],
    ["tokenizer.ggml.eos_token_id", byteLevel({ "tokenizer.ggml.eos_token_id": -1 })],
    ["tokenizer.chat_template", byteLevel({ "tokenizer.chat_template": 1 })],
    ["llama.context_length", byteLevel({ "llama.context_length": undefined })],
  ])("is refused by the key that is wrong: %s", (key, metadata) => {
    expect(() => ggufTextBundle(metadata)).toThrow(
      expect.objectContaining({ code: "FAILED_PRECONDITION", message: expect.stringContaining(`'${key}'`) }),
    );
  });

  test.each([
    ["tokenizer.ggml.pre 'viking'", byteLevel({ "tokenizer.ggml.pre": "viking" })],
    ["tokenizer.ggml.model 'bert'", byteLevel({ "tokenizer.ggml.model": "bert" })],
  ])("names the kind that is not known: %s", (kind, metadata) => {
    expect(() => ggufTextBundle(metadata)).toThrow(
      expect.objectContaining({ code: "UNIMPLEMENTED", message: expect.stringContaining(kind) }),
    );
  });
});
