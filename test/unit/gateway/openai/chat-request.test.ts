/** The chat body: what is understood and what is refused. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { parseChatRequest } from "../../../../gateway/openai/chat-request.ts";

const MESSAGES = [{ role: "user", content: "Hi" }];

function parse(fields: object) {
  return parseChatRequest(Buffer.from(JSON.stringify({ model: "m", messages: MESSAGES, ...fields })));
}

function refusal(fields: object): ServingError {
  try {
    parse(fields);
  } catch (thrown) {
    return ServingError.from(thrown);
  }
  throw new Error(`accepted ${JSON.stringify(fields)}`);
}

describe("what is left open", () => {
  test("takes OpenAI's defaults", () => {
    expect(parse({})).toEqual({
      model: "m",
      prompts: [{ kind: "chat", messages: MESSAGES }],
      choices: 1,
      tokensMax: undefined,
      stop: [],
      stream: false,
      includeUsage: false,
      echo: false,
      sampling: {
        temperature: 1,
        topK: 0,
        topP: 1,
        minP: 0,
        repetitionPenalty: 1,
        presencePenalty: 0,
        frequencyPenalty: 0,
        logitBias: [],
        seed: undefined,
        topLogprobs: undefined,
      },
    });
  });

  test("is as absent when it is null", () => {
    const nulls = {
      temperature: null,
      stop: null,
      seed: null,
      n: null,
      stream: null,
      stream_options: null,
      tools: null,
      response_format: null,
    };
    expect(parse(nulls)).toEqual(parse({}));
  });

  test("may come with fields that nobody knows or that change nothing", () => {
    const ignored = { user: "u", tools: [], tool_choice: "auto", response_format: { type: "text" }, unknown: { deep: [1] }, store: true };
    expect(parse(ignored)).toEqual(parse({}));
  });
});

describe("what is said", () => {
  test.each([
    [{ max_tokens: 5 }, { tokensMax: 5 }],
    [{ max_tokens: 5, max_completion_tokens: 7 }, { tokensMax: 7 }],
    [{ stop: "x" }, { stop: ["x"] }],
    [{ stop: ["a", "b", "c", "d"] }, { stop: ["a", "b", "c", "d"] }],
    [{ n: 8 }, { choices: 8 }],
    [
      { stream: true, stream_options: { include_usage: true, include_obfuscation: false } },
      { stream: true, includeUsage: true },
    ],
    [{ seed: -1 }, { sampling: { seed: 2n ** 64n - 1n } }],
    [{ seed: 2 ** 63 }, { sampling: { seed: 2n ** 63n } }],
    [{ top_p: 0 }, { sampling: { topP: Number.MIN_VALUE } }],
    [{ top_p: 1e-9 }, { sampling: { topP: 1e-9 } }],
    [{ top_k: -1 }, { sampling: { topK: 0 } }],
    [{ top_k: 40, min_p: 0.1, repetition_penalty: 1.1 }, { sampling: { topK: 40, minP: 0.1, repetitionPenalty: 1.1 } }],
    [{ presence_penalty: -2, frequency_penalty: 2 }, { sampling: { presencePenalty: -2, frequencyPenalty: 2 } }],
    [
      { logit_bias: { "5": 100, "7": -100 } },
      {
        sampling: {
          logitBias: [
            [5, 100],
            [7, -100],
          ],
        },
      },
    ],
    [{ logprobs: true }, { sampling: { topLogprobs: 0 } }],
    [{ logprobs: true, top_logprobs: 20 }, { sampling: { topLogprobs: 20 } }],
    [{ logprobs: false }, { sampling: { topLogprobs: undefined } }],
  ])("%j is understood", (fields, expected) => {
    expect(parse(fields)).toMatchObject(expected);
  });

  test("roles become the ones that templates know, and parts become text", () => {
    const messages = [
      { role: "developer", content: "Be brief." },
      {
        role: "user",
        name: "Ann",
        content: [
          { type: "text", text: "Hel" },
          { type: "text", text: "lo" },
        ],
      },
      { role: "assistant", content: null },
      { role: "user", content: "half \ud83c of a pair" },
    ];
    expect(parse({ messages }).prompts).toEqual([
      {
        kind: "chat",
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", name: "Ann", content: "Hello" },
          { role: "assistant", content: "" },
          { role: "user", content: "half \uFFFD of a pair" },
        ],
      },
    ]);
  });
});

describe("what is wrong is INVALID_ARGUMENT and names its field", () => {
  const bias = Object.fromEntries(Array.from({ length: 1025 }, (_, id) => [id, 1]));
  test.each<[object, string | undefined, RegExp]>([
    [{ model: undefined }, "model", /must provide a model/],
    [{ model: 5 }, "model", /expected a string, but got an integer/],
    [{ messages: undefined }, "messages", /expected an array of messages, but got null/],
    [{ messages: [] }, "messages", /at least one/],
    [{ messages: "Hi" }, "messages", /expected an array/],
    [{ messages: [5] }, "messages[0]", /expected an object/],
    [{ messages: Array(2049).fill(MESSAGES[0]) }, "messages", /at most 2048 messages, but got 2049/],
    [{ messages: [{ role: "user" }] }, "messages[0].content", /expected a string or an array/],
    [{ messages: [MESSAGES[0], { role: "narrator", content: "" }] }, "messages[1].role", /"narrator"/],
    [{ messages: [{ role: "__proto__", content: "" }] }, "messages[0].role", /expected system/],
    [{ messages: [{ role: "tool", content: "", tool_call_id: "x" }] }, "messages[0].role", /tools are not supported yet/],
    [{ messages: [{ role: "assistant", content: null, tool_calls: [{}] }] }, "messages[0].tool_calls", /not supported yet/],
    [{ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }, "messages[0].content[0].type", /only text parts/],
    [{ messages: [{ role: "user", content: [{ type: "text", text: 5 }] }] }, "messages[0].content[0].text", /expected a string/],
    [{ messages: [{ role: "user", content: "x".repeat(2 ** 21 + 1) }] }, "messages", /more than 2097152 characters/],
    [{ tools: [{ type: "function" }] }, "tools", /not supported yet/],
    [{ tool_choice: "required" }, "tool_choice", /not supported yet/],
    [{ functions: [{}] }, "functions", /not supported yet/],
    [{ response_format: { type: "json_object" } }, "response_format", /only the response format 'text'/],
    [{ response_format: "json" }, "response_format", /expected an object/],
    [{ temperature: 2.1 }, "temperature", /from 0 to 2, but got 2.1/],
    [{ temperature: -0.1 }, "temperature", /from 0 to 2/],
    [{ temperature: "1" }, "temperature", /expected a number, but got a string/],
    [{ top_p: 1.1 }, "top_p", /from 0 to 1/],
    [{ top_k: 1.5 }, "top_k", /an integer, but got a decimal/],
    [{ min_p: -1 }, "min_p", /from 0 to 1/],
    [{ repetition_penalty: 0 }, "repetition_penalty", /from 0.01/],
    [{ presence_penalty: 2.01 }, "presence_penalty", /from -2 to 2/],
    [{ frequency_penalty: -3 }, "frequency_penalty", /from -2 to 2/],
    [{ n: 0 }, "n", /from 1 to 8/],
    [{ n: 1e9 }, "n", /from 1 to 8/],
    [{ n: true }, "n", /expected a number, but got a boolean/],
    [{ max_tokens: 0 }, "max_tokens", /from 1/],
    [{ max_tokens: -1 }, "max_tokens", /from 1/],
    [{ max_completion_tokens: 1e12 }, "max_completion_tokens", /from 1 to 2147483647/],
    [{ seed: 1.5 }, "seed", /expected an integer/],
    [{ seed: "7" }, "seed", /expected an integer/],
    [{ stop: 5 }, "stop", /expected a string/],
    [{ stop: "" }, "stop", /must not be empty/],
    [{ stop: ["a", 5] }, "stop[1]", /expected a string/],
    [{ stop: ["a", "b", "c", "d", "e"] }, "stop", /at most 4 strings, but got 5/],
    [{ stop: "é".repeat(129) }, "stop", /longer than 256 bytes/],
    [{ logit_bias: [1] }, "logit_bias", /expected an object, but got an array/],
    [{ logit_bias: { a: 1 } }, "logit_bias.a", /must be a token id/],
    [{ logit_bias: { "-1": 1 } }, "logit_bias.-1", /must be a token id/],
    [{ logit_bias: { "1": "x" } }, "logit_bias.1", /expected a number/],
    [{ logit_bias: { "1": 101 } }, "logit_bias.1", /from -100 to 100/],
    [{ logit_bias: bias }, "logit_bias", /at most 1024 tokens, but got 1025/],
    [{ top_logprobs: 1 }, "top_logprobs", /requires 'logprobs'/],
    [{ logprobs: true, top_logprobs: 21 }, "top_logprobs", /from 0 to 20/],
    [{ logprobs: 5 }, "logprobs", /expected a boolean/],
    [{ stream: "yes" }, "stream", /expected a boolean/],
    [{ stream_options: { include_usage: true } }, "stream_options", /only allowed when 'stream' is enabled/],
    [{ stream: true, stream_options: [] }, "stream_options", /expected an object/],
    [{ stream: true, stream_options: { include_usage: 1 } }, "include_usage", /expected a boolean/],
  ])("%j", (fields, param, message) => {
    const error = refusal(fields);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", param });
    expect(error.message).toMatch(message);
    expect(error.message.length).toBeLessThan(300);
  });

  test.each(["[]", "5", '"x"', "null"])("a body of %s is no object", (text) => {
    expect(() => parseChatRequest(Buffer.from(text))).toThrow("the request body must be a JSON object");
  });

  test("names out of a prototype are no fields", () => {
    const body = Buffer.from('{"__proto__":{"model":"x","messages":[{"role":"user","content":"x"}]},"constructor":{"a":1}}');
    expect(() => parseChatRequest(body)).toThrow(/must provide a model/);
    expect(Object.hasOwn(Object.prototype, "model")).toBe(false);
  });
});
