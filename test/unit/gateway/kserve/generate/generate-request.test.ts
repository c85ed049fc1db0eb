/** The generate extension's body: what is understood and what is refused. */
import { expect, test } from "vitest";
import { parseGenerateRequest } from "../../../../../gateway/kserve/generate/generate-request.ts";

function parse(body: object | string) {
  return parseGenerateRequest(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));
}

test("what is left open takes the defaults that generate clients know", () => {
  expect(parse({ text_input: "x" })).toMatchObject({
    id: undefined,
    text: "x",
    given: ["text_input"],
    tokensMax: 16,
    stop: [],
    stream: undefined,
    sampling: { temperature: 1, topK: 0, topP: 1, seed: undefined, topLogprobs: undefined },
  });
});

test.each([
  [{ text_input: ["x"] }, { text: "x" }],
  [{}, { text: undefined, given: [] }],
  [{ text_input: "x", id: 5 }, { id: "5" }],
  [{ text_input: "x", stop_words: "y" }, { stop: ["y"] }],
  [{ text_input: "x", stop_words: ["y", "", "z"] }, { stop: ["y", "z"] }],
  [
    { text_input: "x", parameters: { temperature: 0, stop_words: ["y"] } },
    { sampling: { temperature: 0 }, stop: ["y"] },
  ],
  [{ text_input: "x", temperature: 0.5, parameters: { temperature: 0 } }, { sampling: { temperature: 0.5 } }],
  [{ text_input: "x", random_seed: 2 ** 53 }, { sampling: { seed: 2n ** 53n } }],
  [
    { text_input: "x", stream: false, other: 1, more: "y", flag: true },
    { stream: false, given: ["text_input", "stream"] },
  ],
])("%j is understood", (body, expected) => {
  expect(parse(body)).toMatchObject(expected);
});

test.each([
  ["", "INTERNAL", "failed to parse the request JSON buffer: The document is empty. at 0"],
  ["[1", "INTERNAL", "failed to parse the request JSON buffer: Invalid value. at 2"],
  ["[1]", "INTERNAL", "attempt to access JSON non-object as object"],
  [{ text_input: 1 }, "INTERNAL", "attempt to access JSON non-string as string"],
  [{ text_input: ["a", "b"] }, "INTERNAL", "attempt to access JSON non-string as string"],
  [{ max_tokens: "5" }, "INTERNAL", "attempt to access JSON non-signed-integer as signed-integer"],
  [{ temperature: "hot" }, "INTERNAL", "attempt to access JSON non-number as double"],
  [{ stream: 1 }, "INTERNAL", "attempt to access JSON non-boolean as boolean"],
  [{ parameters: 5 }, "INVALID_ARGUMENT", "Expected JSON object for keyword: 'parameters'"],
  [
    { triton_x: 5 },
    "INVALID_ARGUMENT",
    "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
  ],
  [{ x: {} }, "INVALID_ARGUMENT", "parameter 'x' has invalid type. It should be either 'int', 'bool', or 'string'."],
  [{ max_tokens: 0 }, "INVALID_ARGUMENT", "input 'max_tokens' must be from 1 to 2147483647, got 0"],
  [{ temperature: 3 }, "INVALID_ARGUMENT", "input 'temperature' must be from 0 to 2, got 3"],
  [{ top_p: -1 }, "INVALID_ARGUMENT", "input 'top_p' must be from 0 to 1, got -1"],
  [{ stop_words: Array(17).fill("x") }, "INVALID_ARGUMENT", "input 'stop_words' holds 17 words, at most 16"],
  [{ stop_words: ["x".repeat(257)] }, "INVALID_ARGUMENT", "input 'stop_words' holds a word of more than 256 bytes"],
  [{ text_input: "x".repeat(2 ** 21 + 1) }, "INVALID_ARGUMENT", "text_input holds more than 2097152 characters: shorten it"],
  ["[".repeat(101), "INVALID_ARGUMENT", "JSON nesting depth exceeds maximum allowed limit (100)"],
])("%j is refused in Triton's words", (body, code, message) => {
  expect(() => parse(body)).toThrow(expect.objectContaining({ name: "ServingError", code, message }));
});
