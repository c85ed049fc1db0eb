/** What OpenAI's own Node client makes of our answers. */
import OpenAI, { APIError, BadRequestError, NotFoundError, RateLimitError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HeldPace } from "../support/held-pace.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { type ScriptedGateway, startScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
let client: OpenAI;
const model = SCRIPTED_MODEL;
const messages = [{ role: "user" as const, content: "What is a nereid?" }];

beforeAll(async () => {
  gateway = await startScriptedGateway();
  client = clientOf(gateway);
});

afterAll(() => gateway[Symbol.asyncDispose]());

function clientOf({ url }: ScriptedGateway): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });
}

describe("chat completions", () => {
  test("the parts of a stream join to the whole answer of the same seed", async () => {
    const ask = { model, messages, seed: 11, temperature: 1 };
    const whole = await client.chat.completions.create(ask);
    let text = "";
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(text).toContain("🌊");
    expect(text).not.toContain("\uFFFD");
  });

  test("all chunks of a stream share what names it, and each choice ends exactly once", async () => {
    const chunks = await Array.fromAsync(await client.chat.completions.create({ model, messages, n: 3, max_tokens: 5, stream: true }));
    const named = chunks.map(({ id, created, model, object, system_fingerprint }) => ({ id, created, model, object, system_fingerprint }));
    expect(new Set(named.map((name) => JSON.stringify(name))).size).toBe(1);
    expect(named[0]).toMatchObject({ model, object: "chat.completion.chunk", system_fingerprint: "fp_scripted" });
    for (const index of [0, 1, 2]) {
      const own = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index);
      expect(own[0]?.delta).toMatchObject({ role: "assistant", content: "" });
      expect(own.map((choice) => choice.finish_reason).filter((reason) => reason !== null)).toEqual(["length"]);
      expect(own.at(-1)).toMatchObject({ delta: {}, finish_reason: "length", logprobs: null });
    }
  });

  test("the client's stream helper accepts the stream and gives the final completion", async () => {
    const final = await client.chat.completions
      .stream({ model, messages, seed: 3, stream_options: { include_usage: true } })
      .finalChatCompletion();
    expect(final.choices[0]?.finish_reason).toBe("stop");
    expect(final.usage?.total_tokens).toBe((final.usage?.prompt_tokens ?? 0) + (final.usage?.completion_tokens ?? 0));
  });

  test("usage comes after the last reason, with no choices, and adds up", async () => {
    const stream = await client.chat.completions.create({
      model,
      messages,
      max_tokens: 4,
      n: 2,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await Array.fromAsync(stream);
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 6, completion_tokens: 8, total_tokens: 14, prompt_tokens_details: { cached_tokens: 0 } },
    });
  });

  test("the same seed gives the same text, and temperature 0 or a tiny top_p needs none", async () => {
    const textOf = async (options: object) =>
      (await client.chat.completions.create({ model, messages, ...options })).choices[0]?.message.content;
    expect(await textOf({ seed: -5 })).toBe(await textOf({ seed: -5 }));
    expect(await textOf({ temperature: 0 })).toBe(await textOf({ temperature: 0, seed: 99 }));
    expect(await textOf({ top_p: 1e-9, seed: 1 })).toBe(await textOf({ temperature: 0 }));
    expect(await textOf({ seed: 2 ** 60 })).toBeTypeOf("string");
  });

  test("a stop string never appears and ends the choice with `stop`", async () => {
    const whole = await client.chat.completions.create({ model, messages, temperature: 0 });
    const text = whole.choices[0]?.message.content ?? "";
    const stop = text.slice(20, 28);
    const stopped = await client.chat.completions.create({ model, messages, temperature: 0, stop: [stop, "never"] });
    expect(stopped.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: text.slice(0, text.indexOf(stop)) } });
  });

  test("logprobs have a token's text, bytes that join to the content, and as many alternatives as asked for", async () => {
    const ask = { model, messages, temperature: 0, logprobs: true, top_logprobs: 2 };
    const [whole] = (await client.chat.completions.create(ask)).choices;
    const content = whole?.logprobs?.content ?? [];
    expect(Buffer.from(content.flatMap(({ bytes }) => bytes ?? [])).toString()).toBe(whole?.message.content);
    expect(content[0]).toMatchObject({ logprob: -0.25, top_logprobs: [{ logprob: -0.25 }, { logprob: -0.5 }] });
    const chunks = await Array.fromAsync(await client.chat.completions.create({ ...ask, stream: true }));
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.logprobs?.content ?? [])).toEqual(content);
    const [unasked] = (await client.chat.completions.create({ model, messages })).choices;
    expect(unasked?.logprobs).toBeNull();
  });
});

describe("text completions", () => {
  test("several prompts and choices are numbered prompt · n + k, streamed and whole alike", async () => {
    const ask = { model, prompt: ["one", "one two", "one two three"], n: 2, seed: 4, max_tokens: 3 };
    const whole = await client.completions.create(ask);
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(whole.usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 18, total_tokens: 24 });
    const texts = whole.choices.map(() => "");
    for await (const chunk of await client.completions.create({ ...ask, stream: true })) {
      for (const { index, text } of chunk.choices) texts[index] += text;
    }
    expect(texts).toEqual(whole.choices.map(({ text }) => text));
    const single = await client.completions.create({ ...ask, prompt: "one two" });
    expect(single.choices.map(({ text }) => text)).toEqual(texts.slice(2, 4));
  });

  test("16 tokens unless told otherwise, and token ids are a prompt too", async () => {
    const answer = await client.completions.create({ model, prompt: [1, 2, 3], temperature: 0 });
    expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 16 });
    expect(answer.choices[0]?.finish_reason).toBe("length");
    const several = await client.completions.create({ model, prompt: [[1, 2, 3], [1]], temperature: 0 });
    expect(several.choices[0]?.text).toBe(answer.choices[0]?.text);
  });

  test("an echoed prompt stands before the text, streamed and whole alike", async () => {
    const ask = { model, prompt: "Dear sea,", echo: true, temperature: 0, n: 2 };
    const whole = await client.completions.create(ask);
    expect(whole.choices.map(({ text }) => text.startsWith("Dear sea, "))).toEqual([true, true]);
    let text = "";
    for await (const chunk of await client.completions.create({ ...ask, stream: true })) {
      text += chunk.choices
        .filter(({ index }) => index === 1)
        .map((choice) => choice.text)
        .join("");
    }
    expect(text).toBe(whole.choices[1]?.text);
  });

  test("logprobs have the old shape, and offsets say where each token's text begins", async () => {
    const ask = { model, prompt: "sea", temperature: 0, logprobs: 3 };
    const [choice] = (await client.completions.create(ask)).choices;
    const { tokens = [], token_logprobs, top_logprobs, text_offset = [] } = choice?.logprobs ?? {};
    expect(tokens).toHaveLength(16);
    expect(token_logprobs).toEqual(tokens.map(() => -0.25));
    expect(top_logprobs?.[0]).toEqual({ " the": -0.25, " sea": -0.5, " keeps": -0.75 });
    const characters = [...(choice?.text ?? "")];
    tokens.forEach((token, at) => {
      if (!token.startsWith("bytes:"))
        expect(characters.slice(text_offset[at], (text_offset[at] ?? 0) + [...token].length).join("")).toBe(token);
    });
    const chunks = await Array.fromAsync(await client.completions.create({ ...ask, stream: true }));
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.logprobs?.text_offset ?? [])).toEqual(text_offset);
  });
});

describe("errors and models", () => {
  test("an unknown model is a NotFoundError with its code", async () => {
    const failed = client.chat.completions.create({ model: "nope", messages });
    await expect(failed).rejects.toBeInstanceOf(NotFoundError);
    await expect(failed).rejects.toMatchObject({ code: "model_not_found", type: "not_found_error", param: "model" });
  });

  test("a prompt beyond the context is a BadRequestError that names the messages", async () => {
    const failed = client.chat.completions.create({ model, messages, max_tokens: 5000 });
    await expect(failed).rejects.toBeInstanceOf(BadRequestError);
    await expect(failed).rejects.toMatchObject({ code: "context_length_exceeded", param: "messages" });
    const text = client.completions.create({ model, prompt: ["short", "x ".repeat(5000)] });
    await expect(text).rejects.toMatchObject({ code: "context_length_exceeded", param: "prompt" });
    expect(gateway.text.running).toBe(0);
  });

  test("a failure after the first text raises in the stream", async () => {
    await using failing = await startScriptedGateway({ fail: { atPosition: 2, code: "UNAVAILABLE", message: "the last node is gone" } });
    const stream = await clientOf(failing).chat.completions.create({ model, messages, stream: true });
    const read = async () => {
      let text = "";
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
      return text;
    };
    await expect(read()).rejects.toBeInstanceOf(APIError);
  });

  test("a full server is a RateLimitError that says when to come back", async () => {
    await using full = await startScriptedGateway({ fail: { atPosition: 0, code: "RESOURCE_EXHAUSTED", message: "the queue is full" } });
    const failed = clientOf(full).chat.completions.create({ model, messages });
    await expect(failed).rejects.toBeInstanceOf(RateLimitError);
    const error = await failed.catch((thrown: unknown) => thrown);
    expect(error instanceof APIError && error.headers?.get("retry-after")).toBe("1");
  });

  test("models are listed and found under their names, slashes and all", async () => {
    const listed = await Array.fromAsync(await client.models.list());
    expect(listed).toEqual([{ id: model, object: "model", created: 1_700_000_000, owned_by: "nereid" }]);
    expect(await client.models.retrieve(model)).toMatchObject({ id: model });
    await expect(client.models.retrieve("a/b")).rejects.toMatchObject({ status: 404, code: "model_not_found" });
  });

  test("leaving a stream's loop cancels its generation", async () => {
    await using slow = await startScriptedGateway({ pace: new HeldPace(2).pace });
    for await (const chunk of await clientOf(slow).chat.completions.create({ model, messages, stream: true })) {
      if (chunk.choices[0]?.delta.content !== "") break;
    }
    await expect.poll(() => slow.text.canceled, { interval: 1 }).toBe(1);
    expect(slow.text.running).toBe(0);
  });
});
