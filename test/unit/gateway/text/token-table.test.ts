/** The token table spells each token in bytes, by the vocabulary's own alphabet. */
import { describe, expect, test } from "vitest";
import type { TextBundle } from "../../../../core/model/text-bundle.ts";
import { isSilent, spelledBytes, tokenBytes, tokenTable } from "../../../../gateway/text/token-table.ts";
import { byteAlphabet, byteLevelBundle, sentencePieceBundle } from "../../../support/text-bundles.ts";

function huggingFace(tokenizer: object): TextBundle {
  return { ...byteLevelBundle(), tokenizer: { kind: "huggingface", tokenizer, config: {} }, stopIds: [] };
}
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("the token table", () => {
  test("spells each of the 256 bytes of a byte-level vocabulary", () => {
    const table = tokenTable(byteLevelBundle());
    expect(byteAlphabet().length).toBe(new Set(byteAlphabet()).size);
    for (let byte = 0; byte < 256; byte++) expect([...tokenBytes(table, byte)]).toEqual([byte]);
  });

  test("tells control tokens by name, and that they add nothing to a text", () => {
    const table = tokenTable(byteLevelBundle());
    expect(isSilent(table, 256)).toBe(true);
    expect(text(spelledBytes(table, 256))).toBe("<|end|>");
    expect(tokenBytes(table, 256)).toHaveLength(0);
    expect(isSilent(table, 257)).toBe(false);
    expect(text(tokenBytes(table, 257))).toBe("<tool>");
  });

  test("has nothing for ids outside the vocabulary", () => {
    const table = tokenTable(byteLevelBundle());
    for (const id of [258, 1e9, -1, 0.5]) {
      expect(isSilent(table, id)).toBe(true);
      expect(spelledBytes(table, id)).toHaveLength(0);
    }
  });

  test("leaves gaps in a vocabulary silent", () => {
    const table = tokenTable(huggingFace({ decoder: { type: "ByteLevel" }, model: { vocab: { a: 0, b: 5 } } }));
    expect(isSilent(table, 3)).toBe(true);
    expect(text(tokenBytes(table, 5))).toBe("b");
  });

  test("writes what is not in the byte alphabet as UTF-8", () => {
    const table = tokenTable(huggingFace({ decoder: { type: "ByteLevel" }, model: { vocab: { 日: 0, Ġx: 1 } } }));
    expect(text(tokenBytes(table, 0))).toBe("日");
    expect(text(tokenBytes(table, 1))).toBe(" x");
  });

  const llama = {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "\u2581" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  };
  test.each([
    ["Llama 2's decoder", llama, true],
    ["Gemma's decoder, which strips nothing", { type: "Sequence", decoders: llama.decoders.slice(0, 3) }, false],
    ["Metaspace", { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always" }, true],
    ["Metaspace that prepends nothing", { type: "Metaspace", replacement: "\u2581", prepend_scheme: "never" }, false],
    ["a lone Replace", llama.decoders[0], false],
  ])("understands the spelling of %s", (_, decoder, stripsFirstSpace) => {
    const table = tokenTable(huggingFace({ decoder, model: { vocab: { "\u2581a": 0, "<0xE2>": 1 } } }));
    expect(text(tokenBytes(table, 0))).toBe(" a");
    expect([...tokenBytes(table, 1)]).toEqual([0xe2]);
    expect(table.stripsFirstSpace).toBe(stripsFirstSpace);
  });

  test("reads a Unigram vocabulary, whose ids are places in a list", () => {
    const model = {
      vocab: [
        ["<unk>", 0],
        ["\u2581a", -1],
      ],
    };
    const table = tokenTable(huggingFace({ decoder: { type: "Metaspace" }, model }));
    expect(text(tokenBytes(table, 1))).toBe(" a");
  });

  test("refuses vocabularies whose tokens are no part of a text", () => {
    const bundle = huggingFace({ decoder: { type: "WordPiece" }, model: { vocab: { a: 0 } } });
    expect(() => tokenTable(bundle)).toThrow("neither byte-level nor SentencePiece");
  });

  test.each([
    ["no vocabulary", { model: {} }],
    ["an id that is no number", { model: { vocab: { a: "0" } } }],
    ["an id beyond any vocabulary", { model: { vocab: { a: 1e12 } } }],
    ["a negative id", { model: { vocab: { a: -1 } } }],
    ["an added token without an id", { model: { vocab: { a: 0 } }, added_tokens: [{ content: "x" }] }],
  ])("calls a vocabulary damaged that has %s", (_, tokenizer) => {
    expect(() => tokenTable(huggingFace({ decoder: { type: "ByteLevel" }, ...tokenizer }))).toThrow(
      expect.objectContaining({ code: "DATA_LOSS" }),
    );
  });

  test("keeps a SentencePiece vocabulary's control, unknown and unused tokens silent", () => {
    const { tokenizer } = sentencePieceBundle([["a", -1]]);
    if (tokenizer.kind !== "sentencepiece") throw new Error("unreachable");
    const bundle = sentencePieceBundle([["a", -1]], { types: [...tokenizer.types.slice(0, -1), 5] });
    const table = tokenTable(bundle);
    expect([0, 1, 2, 259].map((id) => isSilent(table, id))).toEqual([true, true, true, true]);
    expect(isSilent(tokenTable(sentencePieceBundle([["a", -1]])), 259)).toBe(false);
  });
});
