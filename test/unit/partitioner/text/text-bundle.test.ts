/** A text bundle from a Hugging Face folder. GGUF files are read in `gguf-text.test.ts` and, for real, in test/engine/text. */
import { describe, expect, test } from "vitest";
import type { TextBundle } from "../../../../core/model/text-bundle.ts";
import { memoryModelFiles } from "../../../../core/repository/memory.ts";
import { createTokenizer } from "../../../../gateway/text/tokenizer.ts";
import { textBundle } from "../../../../partitioner/text/text-bundle.ts";
import { byteLevelBundle } from "../../../support/text-bundles.ts";

const encoder = new TextEncoder();
const source = byteLevelBundle(["h e"]).tokenizer;
const TOKENIZER = source.kind === "huggingface" ? source.tokenizer : {};
const END = 257; // <|end|>; <tool> is 258

function bundleOf(files: Readonly<Record<string, unknown>>, version = "1"): Promise<TextBundle> {
  const folder: Readonly<Record<string, unknown>> = {
    "tokenizer.json": TOKENIZER,
    "tokenizer_config.json": { bos_token: "<tool>", eos_token: { content: "<|end|>" } },
    "config.json": { max_position_embeddings: 1024, vocab_size: 300 },
    ...files,
  };
  const entries = Object.entries(folder).filter(([, value]) => value !== undefined);
  const bytes = (value: unknown): Uint8Array =>
    value instanceof Uint8Array ? value : encoder.encode(typeof value === "string" ? value : JSON.stringify(value));
  return textBundle(memoryModelFiles(new Map(entries.map(([name, value]) => [`1/${name}`, bytes(value)]))), version);
}

describe("a Hugging Face folder", () => {
  test("becomes a bundle that encodes as its tokenizer.json says", async () => {
    const bundle = await bundleOf({ "chat_template.jinja": "{{ y }}" });
    expect(bundle).toMatchObject({
      chatTemplate: "{{ y }}",
      bosId: 258,
      bosToken: "<tool>",
      eosToken: "<|end|>",
      addBos: false,
      stopIds: [END],
      vocabSize: 300,
      contextLength: 1024,
    });
    expect([...createTokenizer(bundle).encode("hehe", { addSpecial: true })]).toEqual([256, 256]);
  });

  test("ends generations where generation_config.json and config.json say, numbers or lists", async () => {
    const bundle = await bundleOf({
      "generation_config.json": { eos_token_id: [12, 13] },
      "config.json": { max_position_embeddings: 1024, eos_token_id: 14 },
    });
    expect(bundle.stopIds).toEqual([12, 13, 14, END]);
    expect(bundle.vocabSize).toBe(259);
  });

  test("finds a language model's numbers in text_config", async () => {
    const bundle = await bundleOf({ "config.json": { text_config: { max_position_embeddings: 77, vocab_size: 999 } } });
    expect(bundle).toMatchObject({ contextLength: 77, vocabSize: 999 });
  });

  test.each([
    ["a text", "{{ a }}", "{{ a }}"],
    [
      "a list of named ones",
      [
        { name: "rag", template: "r" },
        { name: "default", template: "d" },
      ],
      "d",
    ],
    ["a list without a default", [{ name: "rag", template: "r" }], undefined],
    ["absent", undefined, undefined],
  ])("takes the chat template of tokenizer_config.json: %s", async (_, chat_template, expected) => {
    expect((await bundleOf({ "tokenizer_config.json": { chat_template } })).chatTemplate).toBe(expected);
  });

  const begins = { type: "TemplateProcessing", single: [{ SpecialToken: { id: "<tool>" } }, { Sequence: { id: "A" } }] };
  const nested = { type: "Sequence", processors: [{ type: "ByteLevel" }, begins] };
  test.each([
    ["the post-processor puts it there", nested, { tokenizer_class: "PreTrainedTokenizerFast" }, true],
    [
      "a plain fast tokenizer's add_bos_token is false, which it does not obey",
      begins,
      { tokenizer_class: "PreTrainedTokenizerFast", add_bos_token: false },
      true,
    ],
    ["a class that obeys add_bos_token is told so", null, { tokenizer_class: "LlamaTokenizer", add_bos_token: true }, true],
    ["a class that obeys add_bos_token is told not to", begins, { tokenizer_class: "LlamaTokenizer", add_bos_token: false }, false],
    ["nothing says so", null, {}, false],
  ])("begins texts with bos or not when %s", async (_, post_processor, config, expected) => {
    const bundle = await bundleOf({
      "tokenizer.json": { ...TOKENIZER, post_processor },
      "tokenizer_config.json": { bos_token: "<tool>", ...config },
    });
    expect(bundle.addBos).toBe(expected);
  });

  test("does without tokenizer_config.json and generation_config.json", async () => {
    const bundle = await bundleOf({ "tokenizer_config.json": undefined });
    expect(bundle).toMatchObject({ bosId: undefined, bosToken: "", eosToken: "", stopIds: [END] });
  });

  test.each([
    ["no tokenizer.json", { "tokenizer.json": undefined }, "neither a .gguf file nor a tokenizer.json"],
    ["a tokenizer.json that is no JSON", { "tokenizer.json": "{" }, "'1/tokenizer.json' is not JSON"],
    ["a file that is no UTF-8", { "tokenizer.json": new Uint8Array([0xff]) }, "'1/tokenizer.json' is not UTF-8"],
    ["a tokenizer.json without a model", { "tokenizer.json": {} }, "tokenizer.json has no valid 'model'"],
    ["damaged added tokens", { "tokenizer.json": { ...TOKENIZER, added_tokens: [1] } }, "damaged 'added_tokens'"],
    ["no config.json", { "config.json": undefined }, "config.json has no valid 'max_position_embeddings'"],
  ])("with %s is refused in words", async (_, files, message) => {
    await expect(bundleOf(files)).rejects.toMatchObject({ code: "FAILED_PRECONDITION", message: expect.stringContaining(message) });
  });

  test("of another version is not looked at", async () => {
    await expect(bundleOf({}, "2")).rejects.toThrow("version 2 has neither a .gguf file nor a tokenizer.json");
  });
});
