/** Score-driven encoding finds what a plain search for the best pair finds. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SentencePieceTokenizer, TextBundle } from "../../../../core/model/text-bundle.ts";
import { encodeSentencePiece, sentencePieceVocabulary } from "../../../../gateway/text/sentencepiece.ts";
import { createTokenizer } from "../../../../gateway/text/tokenizer.ts";
import { sentencePieceBundle } from "../../../support/text-bundles.ts";

const SEED = 20240614;

function sourceOf(bundle: TextBundle): SentencePieceTokenizer {
  if (bundle.tokenizer.kind !== "sentencepiece") throw new Error("no SentencePiece bundle");
  return bundle.tokenizer;
}

/** The oracle: again and again the best adjacent pair, the leftmost of equals. */
function naive(source: SentencePieceTokenizer, text: string): readonly number[] {
  const symbols = Array.from(text);
  for (;;) {
    let best: { at: number; score: number } | undefined;
    for (let at = 0; at + 1 < symbols.length; at++) {
      const id = source.tokens.lastIndexOf(`${symbols[at]}${symbols[at + 1]}`);
      const score = source.scores[id];
      if (id >= 0 && score !== undefined && (best === undefined || score > best.score)) best = { at, score };
    }
    if (best === undefined) break;
    symbols.splice(best.at, 2, `${symbols[best.at]}${symbols[best.at + 1]}`);
  }
  return symbols.flatMap((symbol) => {
    const id = source.tokens.lastIndexOf(symbol);
    return id >= 0 ? [id] : Array.from(new TextEncoder().encode(symbol), (byte) => 3 + byte);
  });
}

describe("a SentencePiece vocabulary with scores", () => {
  const unit = fc.constantFrom("a", "b", "\u2581", "é", "😀");
  const pieces = fc.array(fc.tuple(fc.string({ unit, minLength: 1, maxLength: 5 }), fc.integer({ min: -6, max: 0 })), { maxLength: 30 });

  test("is encoded as by a plain search for the best pair", () => {
    fc.assert(
      fc.property(pieces, fc.string({ unit: fc.constantFrom("a", "b", "c", "\u2581", "é", "😀"), maxLength: 25 }), (vocabulary, text) => {
        const source = sourceOf(sentencePieceBundle(vocabulary, { addSpacePrefix: false }));
        expect(encodeSentencePiece(sentencePieceVocabulary(source), text)).toEqual(naive(source, text));
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("gives any text back, with and without a space before it", () => {
    const vocabulary: readonly (readonly [string, number])[] = [
      ["\u2581", -3],
      ["th", -1],
      ["\u2581th", -2],
      ["é", -4],
    ];
    for (const addSpacePrefix of [true, false]) {
      const tokenizer = createTokenizer(sentencePieceBundle(vocabulary, { addSpacePrefix }));
      fc.assert(
        fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
          fc.pre(!text.includes("\u2581")); // stands for a space in these vocabularies
          expect(tokenizer.decode(tokenizer.encode(text, { addSpecial: false }))).toBe(text.toWellFormed());
        }),
        { seed: SEED, numRuns: 1000 },
      );
    }
  });

  test("takes control tokens in the text as they are, and puts a space after them", () => {
    const tokenizer = createTokenizer(sentencePieceBundle([["\u2581a", -1]]));
    expect([...tokenizer.encode("a<s>a</s>", { addSpecial: false })]).toEqual([259, 1, 259, 2]);
  });

  test("prefers the longest of the tokens that are taken as they are", () => {
    const pieces: readonly (readonly [string, number])[] = [
      ["<a>", 0],
      ["<a><b>", 0],
    ];
    const { types } = sourceOf(sentencePieceBundle(pieces));
    const tokenizer = createTokenizer(sentencePieceBundle(pieces, { types: [...types.slice(0, -2), 4, 4], addSpacePrefix: false }));
    expect([...tokenizer.encode("<a><b><a>", { addSpecial: false })]).toEqual([260, 259]);
  });

  test("begins with bos where the model asks for it and special tokens are wanted", () => {
    const tokenizer = createTokenizer(sentencePieceBundle([["\u2581a", -1]], { addBos: true }));
    expect([...tokenizer.encode("a", { addSpecial: true })]).toEqual([1, 259]);
    expect([...tokenizer.encode("a", { addSpecial: false })]).toEqual([259]);
    expect([...tokenizer.encode("", { addSpecial: true })]).toEqual([1]);
  });

  test("writes <unk> for characters without a token when there are no byte tokens", () => {
    const source: SentencePieceTokenizer = {
      kind: "sentencepiece",
      tokens: ["<unk>", "a"],
      scores: [0, -1],
      types: [2, 1],
      addSpacePrefix: false,
    };
    expect(encodeSentencePiece(sentencePieceVocabulary(source), "aé")).toEqual([1, 0, 0]);
    expect(() => sentencePieceVocabulary({ ...source, types: [1, 1] })).toThrow("no token for byte 0 and none for unknown text");
  });

  test("stays fast for a long text without a break", () => {
    const runs: readonly (readonly [string, number])[] = Array.from({ length: 12 }, (_, power) => ["a".repeat(2 ** power), -power]);
    const source = sourceOf(sentencePieceBundle(runs, { addSpacePrefix: false }));
    expect(encodeSentencePiece(sentencePieceVocabulary(source), "a".repeat(2 ** 17))).toHaveLength(64);
  });
});
