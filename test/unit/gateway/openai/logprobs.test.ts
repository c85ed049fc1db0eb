/** Log probabilities in both shapes. */
import { expect, test } from "vitest";
import { chatLogprobs, completionLogprobs } from "../../../../gateway/openai/logprobs.ts";
import type { TextToken } from "../../../../gateway/serving/generation/text-generation.ts";

function token(bytes: readonly number[] | string, logprob: number | undefined = -1): TextToken {
  return { id: 1, bytes: typeof bytes === "string" ? Buffer.from(bytes) : Uint8Array.from(bytes), logprob, topLogprobs: [] };
}

const WAVE = [...Buffer.from(" 🌊")];

test("part of a character is written as its bytes, and the bytes of all tokens join to the text", () => {
  const content = chatLogprobs([token("a"), token(WAVE.slice(0, 3)), token(WAVE.slice(3))]);
  expect(content.map((entry) => entry.token)).toEqual(["a", "bytes:\\x20\\xf0\\x9f", "bytes:\\x8c\\x8a"]);
  expect(Buffer.from(content.flatMap(({ bytes }) => bytes)).toString()).toBe("a 🌊");
});

test("offsets count code points, and the rest of a character is where the character is", () => {
  const { text_offset } = completionLogprobs([token("é"), token(WAVE.slice(0, 3)), token(WAVE.slice(3)), token("x")], 10);
  expect(text_offset).toEqual([10, 11, 12, 13]);
});

test("an impossible token's logarithm is the smallest number that JSON is given", () => {
  expect(chatLogprobs([token("a", Number.NEGATIVE_INFINITY)])[0]?.logprob).toBe(-9999);
  expect(JSON.stringify(completionLogprobs([token("a", Number.NEGATIVE_INFINITY)], 0))).not.toContain("null");
});
