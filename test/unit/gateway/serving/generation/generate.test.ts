/** A generation from request to text: folding, limits, stops, endings, pressure. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../../core/errors.ts";
import { GREEDY } from "../../../../../core/model/sampling-parameters.ts";
import { turns } from "../../../../support/fake-clock.ts";
import { byteLevelBundle } from "../../../../support/text-bundles.ts";
import { hashedId } from "../hash-agent.ts";
import { END, MODEL, servingRig, started } from "../serving-rig.ts";

describe("a generation", () => {
  test("starts with its identity, gives the text of the ids in order, and ends with reason and count", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { prompt: { kind: "text", text: "Hello" } });
    const { submit } = rig.agent.last;
    expect([...submit.promptIds]).toEqual([...new TextEncoder().encode("Hello")]);
    expect(submit).toMatchObject({ tenant: "public", choices: 1, tokensMax: 100, stopIds: [END], replica: `${MODEL}/1/0` });
    rig.agent.last.say("Hi ☃!");
    rig.agent.last.tokens([END]);
    rig.agent.last.finish();
    await turns();
    expect(run.events[0]).toEqual({ kind: "started", generation: submit.generation, model: MODEL, version: "1", promptTokens: 5 });
    expect(run.text).toBe("Hi ☃!");
    expect(run.finished).toEqual([{ choice: 0, reason: "stop", completionTokens: 8 }]);
    expect(run.done).toBe(true);
    expect(run.error).toBeUndefined();
  });

  test("gives for any ids the text of all their bytes, and every token once", async () => {
    await using rig = await servingRig();
    const run = await started(rig);
    const ids: number[] = [];
    for (let token = 0; token < 60; token++) ids.push(hashedId(ids, 0, 256));
    for (const id of ids) rig.agent.last.tokens([id]);
    rig.agent.last.finish(0, "length");
    await turns();
    expect(run.text).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(ids)));
    const tokens = run.events.flatMap((event) => (event.kind === "delta" ? event.tokens : []));
    expect(tokens.map(({ id }) => id)).toEqual(ids);
    expect(run.finished).toEqual([{ choice: 0, reason: "length", completionTokens: 60 }]);
  });

  test("frames that are there together become one delta", async () => {
    await using rig = await servingRig();
    const run = await started(rig);
    rig.agent.last.say("abcdef");
    await turns();
    expect(run.events.filter(({ kind }) => kind === "delta")).toMatchObject([{ text: "abcdef", position: 5 }]);
  });

  test("log probabilities come with the bytes of their tokens", async () => {
    await using rig = await servingRig();
    const run = await started(rig);
    rig.agent.last.write({ kind: "tokens", tokens: [{ choice: 0, position: 0, id: 65, logprob: -0.5, topLogprobs: [[66, -0.7]] }] });
    await turns();
    const bytes = (text: string) => new TextEncoder().encode(text);
    expect(run.events.at(-1)).toMatchObject({
      tokens: [{ id: 65, bytes: bytes("A"), logprob: -0.5, topLogprobs: [{ id: 66, bytes: bytes("B"), logprob: -0.7 }] }],
    });
  });

  test("a chat goes through the model's template and is encoded without a beginning of sequence", async () => {
    const chatTemplate = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}>{% endif %}";
    await using rig = await servingRig({ bundle: byteLevelBundle([], { chatTemplate, addBos: true, bosId: END }) });
    await started(rig, { prompt: { kind: "chat", messages: [{ role: "user", content: "hi" }] } });
    expect(String.fromCharCode(...rig.agent.last.submit.promptIds)).toBe("[user]hi>");
    await started(rig, { prompt: { kind: "text", text: "hi" } });
    expect([...rig.agent.last.submit.promptIds]).toEqual([END, 104, 105]);
  });

  test("token ids are taken as they are, and ones that the model does not have are refused", async () => {
    await using rig = await servingRig();
    await started(rig, { prompt: { kind: "ids", ids: [1, 2, 3] } });
    expect([...rig.agent.last.submit.promptIds]).toEqual([1, 2, 3]);
    for (const id of [-1, 258, 1.5]) {
      const run = await started(rig, { prompt: { kind: "ids", ids: [1, id] } });
      expect(run.error).toMatchObject({ code: "INVALID_ARGUMENT", param: "prompt", message: expect.stringContaining(String(id)) });
    }
  });

  test("a bias for a token that the model does not have is refused by its field's name", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { sampling: { ...GREEDY, logitBias: [[258, 1]] } });
    expect(run.error).toMatchObject({ code: "INVALID_ARGUMENT", param: "logit_bias", message: expect.stringContaining("258") });
  });

  test("an empty prompt is refused", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { prompt: { kind: "text", text: "" } });
    expect(run.error).toMatchObject({ code: "INVALID_ARGUMENT", param: "prompt" });
  });
});

describe("limits", () => {
  test("without a number of tokens the answer may fill the context", async () => {
    await using rig = await servingRig({ contextLength: 50 });
    await started(rig, { tokensMax: undefined });
    expect(rig.agent.last.submit.tokensMax).toBe(45);
  });

  test("a prompt that leaves no room is refused with both numbers, and so is one that leaves too little", async () => {
    await using rig = await servingRig({ contextLength: 50 });
    const long = await started(rig, { prompt: { kind: "text", text: "x".repeat(50) }, tokensMax: undefined });
    expect(long.error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "context_length_exceeded", param: "prompt" });
    expect(String(long.error)).toMatch(/50 tokens.*holds 50/);
    const greedy = await started(rig, { tokensMax: 46 });
    expect(greedy.error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "context_length_exceeded" });
    expect(String(greedy.error)).toMatch(/5 tokens, and 46 more.*holds 50/);
    const fits = await started(rig, { tokensMax: 45 });
    expect(fits.error).toBeUndefined();
  });
});

describe("stop strings", () => {
  test("a stop string across tokens ends the text before it and stops the agent", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { stop: ["END"] });
    rig.agent.last.say("one EN two E");
    await turns();
    expect(run.text).toBe("one EN two ");
    rig.agent.last.say("ND and more");
    await turns();
    expect(run.text).toBe("one EN two ");
    expect(run.finished).toEqual([{ choice: 0, reason: "stop", completionTokens: 14 }]);
    expect(rig.agent.last.heard).toEqual(["reset"]);
    expect(run.done).toBe(true);
  });

  test("what was held back for a stop is text when the generation ends", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { stop: ["END"] });
    rig.agent.last.say("the EN");
    rig.agent.last.finish(0, "length");
    await turns();
    expect(run.text).toBe("the EN");
    expect(run.finished).toMatchObject([{ reason: "length" }]);
  });

  test("a stop in one choice cancels that choice alone; the last one resets the stream", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { choices: 3, stop: ["."] });
    const { last } = rig.agent;
    last.say("first.", 0);
    last.say("second", 1);
    await turns();
    expect(last.heard).toEqual(["cancel 0"]);
    last.say("ignored", 0);
    last.finish(1, "length");
    await turns();
    expect(last.heard).toEqual(["cancel 0"]);
    last.say("third.", 2);
    await turns();
    expect(last.heard).toEqual(["cancel 0", "reset"]);
    expect([0, 1, 2].map((choice) => run.textOf(choice))).toEqual(["first", "second", "third"]);
    expect(run.finished).toEqual([
      { choice: 0, reason: "stop", completionTokens: 6 },
      { choice: 1, reason: "length", completionTokens: 6 },
      { choice: 2, reason: "stop", completionTokens: 6 },
    ]);
    expect(run.done).toBe(true);
  });

  test("a stop string and the rest in one pull is one reset and no cancel", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { choices: 2, stop: ["."] });
    rig.agent.last.say("a.", 0);
    rig.agent.last.finish(1);
    await turns();
    expect(run.finished).toHaveLength(2);
    expect(rig.agent.last.heard).toEqual(["reset"]);
  });
});

describe("ending", () => {
  test("leaving the loop resets the stream", async () => {
    await using rig = await servingRig();
    const run = rig.start();
    await run.pull(1);
    rig.agent.last.say("text");
    await run.pull(1);
    await run.leave();
    await turns();
    expect(rig.agent.last.heard).toEqual(["reset"]);
    expect(await rig.metric(`nereid_generations_canceled_total{model="${MODEL}"}`)).toBe(1);
    expect(await rig.metric(`nereid_generations_in_flight{model="${MODEL}"}`)).toBe(0);
  });

  test("an abort resets the stream at once, also when nobody is reading", async () => {
    await using rig = await servingRig();
    const client = new AbortController();
    const run = rig.start({}, client.signal);
    await run.pull(1);
    rig.agent.last.say("text");
    await turns();
    const gone = new ServingError("CANCELLED", "the client is gone");
    client.abort(gone);
    await turns(2);
    expect(rig.agent.last.heard).toEqual(["reset"]);
    await run.pull(1);
    expect(run.error).toBe(gone);
  });

  test("an abort in the turn of the submit cancels it before it can run", async () => {
    await using rig = await servingRig();
    await started(rig); // dials, and fetches the text bundle
    const client = new AbortController();
    const run = rig.start({}, client.signal);
    run.read();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve(); // submitted, not carried yet
    client.abort(new DOMException("gone", "AbortError"));
    await turns();
    expect(run.error).toMatchObject({ code: "CANCELLED" });
    expect(rig.agent.generations.slice(1).every(({ heard }) => heard.includes("reset"))).toBe(true);
    expect(rig.agent.dropped + rig.agent.generations.length).toBe(2);
  });

  test("a deadline ends the generation and travels with what is left of it", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { deadlineMs: 2_000 });
    expect(rig.agent.last.submit.remainingMs).toBe(2_000);
    rig.agent.last.say("so far");
    await rig.clock.pass(2_000);
    expect(run.text).toBe("so far");
    expect(run.error).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(rig.agent.last.heard).toEqual(["reset"]);
    await rig.serving[Symbol.asyncDispose]();
    expect(rig.clock.pending).toBe(0);
  });

  test("what the agent fails with is what the client is told", async () => {
    await using rig = await servingRig();
    const run = await started(rig);
    rig.agent.last.say("some");
    rig.agent.last.write({ kind: "failed", code: "INTERNAL", message: "the runner died twice" });
    await turns();
    expect(run.error).toMatchObject({ code: "INTERNAL", message: "the runner died twice" });
  });

  test("a lost link is UNAVAILABLE and says which node, where generations are not to go on elsewhere", async () => {
    await using rig = await servingRig({ migrationLimit: 0 });
    const run = await started(rig);
    rig.agent.last.say("some");
    await turns();
    rig.links.disconnect();
    await turns();
    expect(run.text).toBe("some");
    expect(run.error).toMatchObject({ code: "UNAVAILABLE", reason: "link_lost", message: expect.stringContaining("node-1") });
    const again = await started(rig);
    expect(again.events).toHaveLength(1);
    expect(rig.agent.links).toHaveLength(2);
  });

  test("an agent that ends too early, or skips a position, is an error and not a short answer", async () => {
    await using rig = await servingRig({ migrationLimit: 0 });
    const early = await started(rig);
    rig.agent.last.say("some");
    early.read();
    rig.agent.last.stream.reset("stopping");
    await turns();
    expect(early.error).toMatchObject({ code: "UNAVAILABLE", reason: "reset_by_node" });
    const skipped = await started(rig);
    for (const position of [0, 2]) {
      rig.agent.last.write({ kind: "tokens", tokens: [{ choice: 0, position, id: 65, logprob: undefined, topLogprobs: [] }] });
    }
    await turns();
    expect(skipped.error).toMatchObject({ code: "INTERNAL" });
    expect(rig.agent.last.heard).toEqual(["reset"]);
  });
});

describe("pressure", () => {
  test("an agent may be 64 frames ahead of a client that does not read, and goes on when it does", async () => {
    await using rig = await servingRig();
    const run = rig.start({ tokensMax: 900 });
    await run.pull(1);
    const { stream } = rig.agent.last;
    while (stream.credit > 0) rig.agent.last.tokens([97]);
    await turns();
    expect(stream.credit).toBe(0);
    await run.pull(1);
    await turns();
    expect(stream.credit).toBe(0); // the delta is out, but nobody has asked for the next
    run.read();
    await turns();
    expect(run.text).toHaveLength(63); // `accepted` was a frame too
    expect(stream.credit).toBe(64);
  });
});

test("counts of tokens, times and running generations are in the metrics", async () => {
  await using rig = await servingRig();
  await started(rig);
  expect(await rig.metric(`nereid_generations_in_flight{model="${MODEL}"}`)).toBe(1);
  await rig.clock.pass(40);
  rig.agent.last.say("ab");
  await rig.clock.pass(20);
  rig.agent.last.say("cd");
  rig.agent.last.finish();
  await turns();
  const values = await Promise.all(
    ["prompt_tokens_total", "completion_tokens_total", "time_to_first_token_seconds_sum", "generations_in_flight"].map((name) =>
      rig.metric(`nereid_${name}{model="${MODEL}"}`),
    ),
  );
  expect(values).toEqual([5, 4, 0.04, 0]);
  expect(await rig.metric(`nereid_inter_token_seconds_sum{model="${MODEL}"}`)).toBeCloseTo(0.01);
  expect(await rig.metric(`nereid_generations_canceled_total{model="${MODEL}"}`)).toBeNaN();
});
