/** `text.json` keeps every field, and says which one is damaged. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { parseTextBundle, serializeTextBundle, textBundleDigest } from "../../../../core/model/text-bundle-codec.ts";
import { byteLevelBundle, sentencePieceBundle } from "../../../support/text-bundles.ts";

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): Record<string, unknown> => JSON.parse(new TextDecoder().decode(bytes));

describe("a text bundle", () => {
  test.each([
    ["byte-level", byteLevelBundle(["h e"], { chatTemplate: "{{ x }}", bosId: 3, addBos: true, bosToken: "<s>" })],
    ["byte-level without template and bos", byteLevelBundle()],
    ["SentencePiece", sentencePieceBundle([["\u2581a", -1.5]])],
  ])("comes back as it was: %s", (_, bundle) => {
    expect(parseTextBundle(serializeTextBundle(bundle))).toEqual(bundle);
  });

  test("has the same digest however its fields were ordered", () => {
    const bundle = byteLevelBundle();
    const { format, ...rest } = bundle;
    expect(textBundleDigest(serializeTextBundle({ ...rest, format }))).toBe(textBundleDigest(serializeTextBundle(bundle)));
    expect(textBundleDigest(serializeTextBundle(bundle))).toMatch(/^[0-9a-f]{64}$/);
  });

  test("that is no JSON is refused", () => {
    expect(() => parseTextBundle(new Uint8Array([0x7b, 0xff]))).toThrow("text.json is not JSON: cut the model again");
  });

  const sentencePiece = decode(serializeTextBundle(sentencePieceBundle([["a", -1]])));
  const byteLevel = decode(serializeTextBundle(byteLevelBundle()));
  test.each([
    ["format", { ...byteLevel, format: 2 }],
    ["format", null],
    ["format", []],
    ["vocabSize", { ...byteLevel, vocabSize: -1 }],
    ["contextLength", { ...byteLevel, contextLength: "8192" }],
    ["bosId", { ...byteLevel, bosId: 1.5 }],
    ["addBos", { ...byteLevel, addBos: undefined }],
    ["bosToken", { ...byteLevel, bosToken: 1 }],
    ["eosToken", { ...byteLevel, eosToken: undefined }],
    ["stopIds", { ...byteLevel, stopIds: ["2"] }],
    ["stopIds", { ...byteLevel, stopIds: 2 }],
    ["chatTemplate", { ...byteLevel, chatTemplate: {} }],
    ["tokenizer", { ...byteLevel, tokenizer: [] }],
    ["tokenizer.kind", { ...byteLevel, tokenizer: { kind: "wordpiece" } }],
    ["tokenizer.tokenizer", { ...byteLevel, tokenizer: { kind: "huggingface", config: {} } }],
    ["tokenizer.tokenizer.model", { ...byteLevel, tokenizer: { kind: "huggingface", tokenizer: {}, config: {} } }],
    [
      "tokenizer.tokenizer.added_tokens",
      { ...byteLevel, tokenizer: { kind: "huggingface", tokenizer: { model: {}, added_tokens: [{ id: 1 }] }, config: {} } },
    ],
    ["tokenizer.config", { ...byteLevel, tokenizer: { kind: "huggingface", tokenizer: { model: {} }, config: 1 } }],
    ["tokens", { ...sentencePiece, tokenizer: { kind: "sentencepiece", tokens: [1], scores: [1], types: [1], addSpacePrefix: true } }],
    ["scores", { ...sentencePiece, tokenizer: { kind: "sentencepiece", tokens: ["a"], scores: [], types: [1], addSpacePrefix: true } }],
    ["types", { ...sentencePiece, tokenizer: { kind: "sentencepiece", tokens: ["a"], scores: [1], types: [], addSpacePrefix: true } }],
    ["addSpacePrefix", { ...sentencePiece, tokenizer: { kind: "sentencepiece", tokens: ["a"], scores: [1], types: [1] } }],
  ])("with a damaged '%s' is refused by name", (field, value) => {
    expect(() => parseTextBundle(encode(value))).toThrow(
      new ServingError("DATA_LOSS", `text.json has no valid '${field}': cut the model again`),
    );
  });
});
