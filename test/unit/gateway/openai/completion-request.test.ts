/** The completions body: what is understood and what is refused. */
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { parseCompletionRequest } from "../../../../gateway/openai/completion-request.ts";

function parse(fields: object) {
  return parseCompletionRequest(Buffer.from(JSON.stringify({ model: "m", prompt: "Hi", ...fields })));
}

test.each([
  ["Hi", [{ kind: "text", text: "Hi" }]],
  [
    ["a", "b"],
    [
      { kind: "text", text: "a" },
      { kind: "text", text: "b" },
    ],
  ],
  [[1, 2], [{ kind: "ids", ids: [1, 2] }]],
  [
    [[1], [2, 3]],
    [
      { kind: "ids", ids: [1] },
      { kind: "ids", ids: [2, 3] },
    ],
  ],
  [
    ["a", [0]],
    [
      { kind: "text", text: "a" },
      { kind: "ids", ids: [0] },
    ],
  ],
  ["", [{ kind: "text", text: "" }]],
])("the prompt %j is understood", (prompt, prompts) => {
  expect(parse({ prompt }).prompts).toEqual(prompts);
});

test.each([
  [{}, { tokensMax: 16, echo: false, sampling: { topLogprobs: undefined } }],
  [
    { max_tokens: 1, echo: true, n: 2, best_of: 2 },
    { tokensMax: 1, echo: true, choices: 2 },
  ],
  [{ logprobs: 0 }, { sampling: { topLogprobs: 0 } }],
  [{ logprobs: 5, suffix: "" }, { sampling: { topLogprobs: 5 } }],
  [{ best_of: 1, suffix: null }, { choices: 1 }],
])("%j is understood", (fields, expected) => {
  expect(parse(fields)).toMatchObject(expected);
});

test.each<[object, string, RegExp]>([
  [{ prompt: undefined }, "prompt", /expected a string or an array, but got null/],
  [{ prompt: [] }, "prompt", /must not be empty/],
  [{ prompt: {} }, "prompt", /but got an object/],
  [{ prompt: Array(9).fill("x") }, "prompt", /at most 8 prompts, but got 9/],
  [{ prompt: [1, "x"] }, "prompt[1]", /expected a token id, but got a string/],
  [{ prompt: [1, -1] }, "prompt[1]", /expected a token id/],
  [{ prompt: [1.5] }, "prompt[0]", /expected a token id/],
  [{ prompt: [[1], []] }, "prompt[1]", /must not be empty/],
  [{ prompt: ["x", true] }, "prompt[1]", /expected a string or an array of token ids/],
  [{ prompt: Array(2 ** 18 + 1).fill(1) }, "prompt", /shorten it/],
  [{ prompt: ["x".repeat(2 ** 20), "x".repeat(2 ** 20 + 1)] }, "prompt", /more than 2097152 characters/],
  [{ suffix: "!" }, "suffix", /not supported yet/],
  [{ n: 2, best_of: 3 }, "best_of", /other than 'n' \(2\)/],
  [{ best_of: 0 }, "best_of", /from 1/],
  [{ logprobs: true }, "logprobs", /expected a number, but got a boolean/],
  [{ logprobs: 21 }, "logprobs", /from 0 to 20/],
  [{ echo: true, logprobs: 1 }, "echo", /not supported yet/],
  [{ echo: true, prompt: [1] }, "echo", /needs the prompt as text/],
  [{ echo: 1 }, "echo", /expected a boolean/],
  [{ max_tokens: 0 }, "max_tokens", /from 1/],
])("%j is refused by its field", (fields, param, message) => {
  let error: unknown;
  try {
    parse(fields);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ServingError);
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", param, message: expect.stringMatching(message) });
});
