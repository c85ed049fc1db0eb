/** The detokenizer gives the text of all bytes, in pieces that are whole characters. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { detokenize, flushDetokenizer, startDetokenizer } from "../../../../gateway/text/detokenizer.ts";
import { type TokenTable, tokenBytes, tokenTable } from "../../../../gateway/text/token-table.ts";
import { byteLevelBundle, sentencePieceBundle } from "../../../support/text-bundles.ts";

const SEED = 20240611;

function piecesOf(table: TokenTable, ids: Iterable<number>, textStart = true): readonly string[] {
  let state = startDetokenizer(table, { textStart });
  const pieces: string[] = [];
  for (const id of ids) {
    const step = detokenize(table, state, id);
    pieces.push(step.piece);
    state = step.state;
  }
  return [...pieces, flushDetokenizer(state)];
}

/** The oracle: all bytes decoded at once. */
function textOf(table: TokenTable, ids: readonly number[]): string {
  const bytes = Buffer.concat(ids.map((id) => tokenBytes(table, id)));
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

const table = tokenTable(byteLevelBundle(["h e", "he l", "ð Ł", "ðŁ ĺ"]));
const END = 256 + 4;
const TOOL = END + 1;
const bytesOf = (text: string): number[] => [...new TextEncoder().encode(text)];

describe("the detokenizer", () => {
  test("gives the text of all bytes, for any ids", () => {
    const id = fc.integer({ min: 0, max: TOOL + 2 });
    fc.assert(
      fc.property(fc.array(id, { maxLength: 40 }), (ids) => {
        expect(piecesOf(table, ids).join("")).toBe(textOf(table, ids));
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("gives the text of all bytes, for bytes that nearly are characters", () => {
    const byte = fc.constantFrom(
      0x41,
      0x80,
      0x8f,
      0x90,
      0x9f,
      0xa0,
      0xbf,
      0xc1,
      0xc2,
      0xe0,
      0xe1,
      0xed,
      0xef,
      0xf0,
      0xf1,
      0xf4,
      0xf5,
      0xff,
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), (ids) => {
        expect(piecesOf(table, ids).join("")).toBe(textOf(table, ids));
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("emits whole characters only, and U+FFFD only where the text has it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 20 }), (text) => {
        const pieces = piecesOf(table, bytesOf(text));
        expect(pieces.join("")).toBe(text.toWellFormed());
        for (const piece of pieces) expect(piece.isWellFormed()).toBe(true);
        expect(pieces.at(-1)).toBe("");
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("holds an emoji back until its last byte", () => {
    expect(piecesOf(table, bytesOf("😀!"))).toEqual(["", "", "", "😀", "!", ""]);
  });

  test("gives an unfinished character as one U+FFFD at the end", () => {
    expect(piecesOf(table, bytesOf("a😀").slice(0, 4))).toEqual(["a", "", "", "", "\ufffd"]);
  });

  test("does not wait for bytes that can never complete a character", () => {
    expect(piecesOf(table, [0xed, 0xa0, 0x41])).toEqual(["", "\ufffd\ufffd", "A", ""]);
  });

  test("emits nothing for control tokens and for ids outside the vocabulary, also within a character", () => {
    const [first = 0, ...rest] = bytesOf("é");
    expect(piecesOf(table, [first, END, 99_999, -1, ...rest]).join("")).toBe("é");
  });

  test("emits user-defined tokens as they are spelled", () => {
    expect(piecesOf(table, [TOOL])).toEqual(["<tool>", ""]);
  });

  test("keeps a byte order mark: it is text", () => {
    expect(piecesOf(table, bytesOf("\ufeffa")).join("")).toBe("\ufeffa");
  });

  test("gives the same state object for tokens that leave nothing pending", () => {
    const state = startDetokenizer(table, { textStart: true });
    expect(detokenize(table, state, 0x41).state).toBe(state);
    expect(detokenize(table, state, END).state).toBe(state);
  });
});

describe("the detokenizer of a SentencePiece vocabulary", () => {
  const pieces: readonly (readonly [string, number])[] = [
    ["\u2581Hello", -1],
    ["\u2581\u2581x", -2],
    ["\u2581", -3],
    ["é", -4],
  ];
  const spaced = tokenTable(sentencePieceBundle(pieces));
  const [hello, spacesX, space, accent] = [259, 260, 261, 262];

  test("drops one space at the start of a text, and only there", () => {
    expect(piecesOf(spaced, [hello, hello]).join("")).toBe("Hello Hello");
    expect(piecesOf(spaced, [spacesX]).join("")).toBe(" x");
    expect(piecesOf(spaced, [space, accent]).join("")).toBe("é");
  });

  test("drops it after leading control tokens too", () => {
    expect(piecesOf(spaced, [1, hello, 2]).join("")).toBe("Hello");
  });

  test("keeps it where the tokens go on with a text", () => {
    expect(piecesOf(spaced, [hello], false).join("")).toBe(" Hello");
  });

  test("keeps it where the vocabulary adds none", () => {
    expect(piecesOf(tokenTable(sentencePieceBundle(pieces, { addSpacePrefix: false })), [hello]).join("")).toBe(" Hello");
  });

  test("joins byte tokens to characters", () => {
    expect(
      piecesOf(
        spaced,
        bytesOf("日").map((byte) => 3 + byte),
      ),
    ).toEqual(["", "", "日", ""]);
  });
});
