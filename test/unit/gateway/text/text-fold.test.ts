/** The fold over tokens: detokenizer and stop window together, resumable anywhere. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { finishText, pushToken, type TextFold, type TextFoldState, textFold } from "../../../../gateway/text/text-fold.ts";
import { createTokenizer } from "../../../../gateway/text/tokenizer.ts";
import { byteLevelBundle } from "../../../support/text-bundles.ts";

const SEED = 20240613;
const tokenizer = createTokenizer(byteLevelBundle(["h e", "l l", "he ll", "Ġ w"]));
const END = 256 + 4;

function foldAll(fold: TextFold, ids: readonly number[], from: TextFoldState = fold.start): readonly TextFoldState[] {
  const states = [from];
  for (const id of ids) states.push(pushToken(fold, states.at(-1) ?? from, id).state);
  return states;
}

function textOf(fold: TextFold, ids: readonly number[]): string {
  let state = fold.start;
  let text = "";
  for (const id of ids) {
    const step = pushToken(fold, state, id);
    text += step.text;
    state = step.state;
  }
  return text + finishText(fold, state);
}

const anyIds = fc.array(fc.integer({ min: 0, max: END + 1 }), { maxLength: 30 });

describe("the text fold", () => {
  test("gives what decoding all ids at once gives", () => {
    const fold = textFold(tokenizer.table, [], { textStart: true });
    fc.assert(
      fc.property(anyIds, (ids) => {
        expect(textOf(fold, ids)).toBe(tokenizer.decode(ids));
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("gives any text back that was encoded", () => {
    const fold = textFold(tokenizer.table, [], { textStart: true });
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
        expect(textOf(fold, [...tokenizer.encode(text, { addSpecial: false })])).toBe(text.toWellFormed());
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("has the same state wherever it is taken up", () => {
    const fold = textFold(tokenizer.table, ["lo w", "é"], { textStart: true });
    fc.assert(
      fc.property(anyIds, fc.nat(30), (ids, position) => {
        const states = foldAll(fold, ids);
        const again = foldAll(textFold(tokenizer.table, ["lo w", "é"], { textStart: true }), ids.slice(0, position)).at(-1);
        expect(foldAll(fold, ids.slice(position), again).at(-1)).toEqual(states.at(-1));
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("stops at a stop string across tokens and characters, and stays silent", () => {
    const fold = textFold(tokenizer.table, ["lo é"], { textStart: true });
    const ids = [...tokenizer.encode("hello élan", { addSpecial: false })];
    let state = fold.start;
    const seen: { text: string; stopped: boolean }[] = [];
    for (const id of ids) {
      const step = pushToken(fold, state, id);
      seen.push({ text: step.text, stopped: step.stopped });
      state = step.state;
    }
    expect(seen.map((step) => step.text).join("")).toBe("hel");
    expect(seen.filter((step) => step.stopped).length).toBe(seen.length - seen.findIndex((step) => step.stopped));
    expect(finishText(fold, state)).toBe("");
  });

  test("gives at the end what was held and an unfinished character, in order", () => {
    const fold = textFold(tokenizer.table, ["STOP"], { textStart: true });
    expect(textOf(fold, [0x53, 0x54, 0xe2, 0x82])).toBe("ST\ufffd");
  });

  test("does not show the token that ends the generation", () => {
    const fold = textFold(tokenizer.table, [], { textStart: true });
    expect(textOf(fold, [0x41, END])).toBe("A");
  });
});
