/** Bad input at a running cluster: each gets the status and the shape of its API, and the server serves on. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MODEL, type RunningCluster, startRealCluster } from "../support/cluster.ts";
import { type ShardCache, shardCache } from "../support/replica.ts";
import { type CompletionFields, complete, WITHOUT_END } from "./completion-client.ts";

const QUESTION: CompletionFields = { ...WITHOUT_END, prompt: "The capital of France is", max_tokens: 6 };
const DEEP = 100_000;
const MEBIBYTE = 2 ** 20;

let cache: ShardCache;
let cluster: RunningCluster;
let expected: string;

beforeAll(async () => {
  cache = await shardCache();
  cluster = await startRealCluster(cache);
  ({ text: expected } = await complete(cluster.url, QUESTION));
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
});

const json = (fields: object): string => JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "Hi" }], ...fields });
const text = (fields: object): string => JSON.stringify({ text_input: "Hi", ...fields });

/** What, body, and the error's status, param, code and message. */
const CHAT: readonly (readonly [string, string, number, object])[] = [
  ["malformed JSON", '{"model": ', 400, { code: "malformed_json", param: null }],
  ["nothing at all", "", 400, { type: "invalid_request_error" }],
  ["an array", "[]", 400, { message: "the request body must be a JSON object" }],
  ["no model", JSON.stringify({ messages: [] }), 400, { param: "model", message: "you must provide a model parameter" }],
  ["a model of the wrong type", json({ model: 7 }), 400, { param: "model" }],
  ["an unknown model", json({ model: "gpt-9" }), 404, { code: "model_not_found", param: "model", type: "not_found_error" }],
  ["messages of the wrong type", json({ messages: "Hi" }), 400, { param: "messages" }],
  ["a content of the wrong type", json({ messages: [{ role: "user", content: 5 }] }), 400, { param: "messages[0].content" }],
  [
    "a prompt that is too long",
    json({ messages: [{ role: "user", content: "word ".repeat(9_000) }] }),
    400,
    { code: "context_length_exceeded", param: "messages" },
  ],
  ["max_tokens of 0", json({ max_tokens: 0 }), 400, { param: "max_tokens" }],
  ["a negative max_tokens", json({ max_tokens: -1 }), 400, { param: "max_tokens" }],
  ["max_tokens as a text", json({ max_tokens: "5" }), 400, { param: "max_tokens" }],
  ["a temperature beyond 2", json({ temperature: 2.1 }), 400, { param: "temperature" }],
  ["a temperature as a text", json({ temperature: "hot" }), 400, { param: "temperature" }],
  ["a top_p above 1", json({ top_p: 1.5 }), 400, { param: "top_p" }],
  ["n of 0", json({ n: 0 }), 400, { param: "n" }],
  ["a seed that is no integer", json({ seed: "dice" }), 400, { param: "seed" }],
  ["a bias for a token that is none", json({ logit_bias: { 49152: 1 } }), 400, { param: "logit_bias" }],
  ["JSON of 100,000 levels", `{"messages":${"[".repeat(DEEP)}${"]".repeat(DEEP)}}`, 400, { code: "json_too_deep" }],
  ["a body of 65 MiB", `${json({})}${" ".repeat(65 * MEBIBYTE)}`, 413, { code: "request_too_large" }],
];

/** What, body, and the error's status and text; Triton calls JSON that it cannot read its own failure. */
const GENERATE: readonly (readonly [string, string, number, RegExp])[] = [
  ["malformed JSON", '{"text_input": ', 500, /^failed to parse the request JSON buffer: /],
  ["nothing at all", "", 500, /The document is empty/],
  ["a text of the wrong type", text({ text_input: 5 }), 500, /^attempt to access JSON non-string as string$/],
  ["no text", "{}", 400, /text_input/],
  ["a prompt that is too long", text({ text_input: "word ".repeat(9_000) }), 400, /8192/],
  ["max_tokens of 0", text({ max_tokens: 0 }), 400, /'max_tokens' must be from 1/],
  ["a negative max_tokens", text({ max_tokens: -1 }), 400, /'max_tokens' must be from 1/],
  ["a temperature beyond 2", text({ temperature: 2.1 }), 400, /'temperature' must be from 0 to 2, got 2.1/],
  ["a top_p of the wrong type", text({ top_p: "most" }), 500, /^attempt to access JSON non-number as double$/],
  ["JSON of 100,000 levels", "[".repeat(DEEP) + "]".repeat(DEEP), 400, /^JSON nesting depth exceeds maximum allowed limit \(100\)$/],
  ["a body of 65 MiB", `${text({})}${" ".repeat(65 * MEBIBYTE)}`, 400, /exceeds the maximum allowed input size of 67108864 bytes/],
];

async function refusal(path: string, body: string): Promise<readonly [number, unknown]> {
  const answer = await fetch(cluster.url + path, { method: "POST", body });
  return [answer.status, JSON.parse(await answer.text())];
}

describe("POST /v1/chat/completions", () => {
  test.each(CHAT)("refuses %s as OpenAI's API does, and the server serves on", async (_, body, status, error) => {
    const [found, answer] = await refusal("/v1/chat/completions", body);
    expect(answer).toEqual({
      error: {
        message: expect.stringMatching(/\S/),
        type: expect.any(String),
        param: expect.toBeOneOf([null, expect.any(String)]),
        code: expect.toBeOneOf([null, expect.any(String)]),
      },
    });
    expect([found, answer]).toMatchObject([status, { error }]);
    expect((await complete(cluster.url, QUESTION)).text).toBe(expected);
  });
});

describe("POST /v2/models/{model}/generate", () => {
  test.each(GENERATE)("refuses %s as Triton does, and the server serves on", async (_, body, status, message) => {
    expect(await refusal(`/v2/models/${MODEL}/generate`, body)).toEqual([status, { error: expect.stringMatching(message) }]);
    expect((await complete(cluster.url, QUESTION)).text).toBe(expected);
  });

  test("refuses an unknown model, and one whose name is no name", async () => {
    expect(await refusal("/v2/models/gpt-9/generate", text({}))).toEqual([404, { error: expect.stringContaining("gpt-9") }]);
    expect(await refusal("/v2/models/%00/generate_stream", text({}))).toEqual([404, { error: expect.any(String) }]);
  });
});
