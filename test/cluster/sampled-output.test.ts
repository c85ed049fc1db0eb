/** Sampled output with a seed is a function of prompt, parameters and seed. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventData } from "../../cli/chat/server-sent-events.ts";
import { MODEL, type RunningCluster, startRealCluster } from "../support/cluster.ts";
import { type ShardCache, shardCache } from "../support/replica.ts";
import { type CompletionFields, complete, post, streamCompletion } from "./completion-client.ts";

const TOKENS = 40;
const SAMPLING = { max_tokens: TOKENS, temperature: 1, top_p: 0.9, top_k: 40, repetition_penalty: 1.1 };
const QUESTION = "Tell me about the sea.";
/** As the model's own template writes the question. */
const PROMPT =
  "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
  `<|im_start|>user\n${QUESTION}<|im_end|>\n<|im_start|>assistant\n`;
const SEEDS = [1, 2, 20_240_615, 2 ** 52 + 7];

const sampled = (seed: number): CompletionFields => ({ ...SAMPLING, prompt: PROMPT, seed });

let cache: ShardCache;
/** Of the first cluster, each seed alone. */
let texts: readonly string[];

async function textsOf(cluster: RunningCluster): Promise<readonly string[]> {
  const found: string[] = [];
  for (const seed of SEEDS) found.push((await complete(cluster.url, sampled(seed))).text);
  return found;
}

beforeAll(async () => {
  cache = await shardCache();
});
afterAll(() => cache?.[Symbol.asyncDispose]());

describe("a sampled text with a seed, on two nodes,", () => {
  let cluster: RunningCluster;
  beforeAll(async () => {
    cluster = await startRealCluster(cache);
    texts = await textsOf(cluster);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  test("is another one for every seed, and the same one again", async () => {
    expect(new Set(texts).size).toBe(SEEDS.length);
    expect(await textsOf(cluster)).toEqual(texts);
  });

  test("is the same in a batch, and streamed", async () => {
    const [whole, streamed] = await Promise.all([
      Promise.all(SEEDS.map((seed) => complete(cluster.url, sampled(seed)))),
      Promise.all(SEEDS.map((seed) => streamCompletion(cluster.url, sampled(seed)))),
    ]);
    expect(whole.map(({ text }) => text)).toEqual(texts);
    expect(streamed.map(({ text, done }) => [text, done])).toEqual(texts.map((text) => [text, true]));
  });

  test.each([
    ["POST /v1/chat/completions", chatText],
    ["POST /v1/chat/completions with stream", streamedChatText],
    ["POST /v2/models/{model}/generate", generatedText],
    ["POST /v2/models/{model}/generate_stream", streamedGeneratedText],
  ])("is the same through %s", async (_, ask) => {
    expect(await Promise.all(SEEDS.map((seed) => ask(cluster.url, seed)))).toEqual(texts);
  });
});

describe("a sampled text with a seed", () => {
  test.each([
    ["two nodes that were started again", 2],
    ["one node with all layers", 1],
  ])("is the same on %s", async (_, nodes) => {
    await using cluster = await startRealCluster(cache, { nodes });
    expect(await textsOf(cluster)).toEqual(texts);
  });
});

const chatBody = (seed: number) => ({ ...SAMPLING, model: MODEL, messages: [{ role: "user", content: QUESTION }], seed });

async function chatText(url: string, seed: number): Promise<string> {
  const response = await post(url, "/v1/chat/completions", chatBody(seed));
  const answer: { readonly choices: readonly { readonly message: { readonly content: string } }[] } = JSON.parse(await response.text());
  return answer.choices[0]?.message.content ?? "";
}

async function streamedChatText(url: string, seed: number): Promise<string> {
  const chunks = await jsonEvents<{ readonly choices: readonly { readonly delta: { readonly content?: string } }[] }>(
    await post(url, "/v1/chat/completions", { ...chatBody(seed), stream: true }),
  );
  return chunks.map(({ choices: [choice] }) => choice?.delta.content ?? "").join("");
}

const generateBody = (seed: number) => ({ ...SAMPLING, text_input: PROMPT, random_seed: seed });

async function generatedText(url: string, seed: number): Promise<string> {
  const response = await post(url, `/v2/models/${MODEL}/generate`, generateBody(seed));
  const answer: { readonly text_output: string } = JSON.parse(await response.text());
  return answer.text_output;
}

async function streamedGeneratedText(url: string, seed: number): Promise<string> {
  const events = await jsonEvents<{ readonly text_output: string }>(
    await post(url, `/v2/models/${MODEL}/generate_stream`, generateBody(seed)),
  );
  return events.map(({ text_output: text }) => text).join("");
}

async function jsonEvents<Event>(response: Response): Promise<readonly Event[]> {
  if (response.body === null) throw new Error(`${response.status} without a body`);
  const events: Event[] = [];
  for await (const data of eventData(response.body)) if (data !== "[DONE]") events.push(JSON.parse(data));
  return events;
}
