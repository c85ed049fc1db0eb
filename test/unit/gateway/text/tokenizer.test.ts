/** A tokenizer made from a bundle: special tokens, beginning of sequence, and clear words for damage. */
import { describe, expect, test } from "vitest";
import type { TextBundle } from "../../../../core/model/text-bundle.ts";
import { createTokenizer } from "../../../../gateway/text/tokenizer.ts";
import { byteLevelBundle } from "../../../support/text-bundles.ts";

describe("a byte-level tokenizer", () => {
  const tokenizer = createTokenizer(byteLevelBundle(["h e", "l l", "he ll"], { bosId: 7, addBos: true }));

  test("merges, and recognizes special tokens in the text", () => {
    expect([...tokenizer.encode("hello<|end|>", { addSpecial: false })]).toEqual([258, 0x6f, 259]);
  });

  test("begins with bos where the model asks for it and special tokens are wanted", () => {
    expect([...tokenizer.encode("he", { addSpecial: true })]).toEqual([7, 256]);
    expect([...tokenizer.encode("he", { addSpecial: false })]).toEqual([256]);
    expect([...createTokenizer(byteLevelBundle([], { bosId: 7 })).encode("h", { addSpecial: true })]).toEqual([0x68]);
  });

  test("has no tokens for an empty text, and no text for no tokens", () => {
    expect(tokenizer.encode("", { addSpecial: false })).toEqual(new Int32Array());
    expect(tokenizer.decode([])).toBe("");
  });

  test("writes half a surrogate pair as U+FFFD", () => {
    expect(tokenizer.decode(tokenizer.encode("a\ud800b", { addSpecial: false }))).toBe("a\ufffdb");
  });
});

describe("a damaged tokenizer", () => {
  const damaged = (model: object): TextBundle => ({
    ...byteLevelBundle(),
    tokenizer: { kind: "huggingface", tokenizer: { decoder: { type: "ByteLevel" }, added_tokens: [], model }, config: {} },
  });

  test.each([
    ["an unknown model", { type: "Nonsense", vocab: { a: 0 } }],
    ["no merges", { type: "BPE", vocab: { a: 0 } }],
  ])("is refused when it is opened: %s", (_, model) => {
    const tokenizer = createTokenizer(damaged(model));
    expect(() => tokenizer.encode("a", { addSpecial: false })).toThrow(
      expect.objectContaining({ code: "DATA_LOSS", message: expect.stringContaining("the model's tokenizer cannot be opened") }),
    );
  });
});
