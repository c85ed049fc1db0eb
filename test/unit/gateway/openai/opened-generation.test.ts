/** Several prompts as one stream. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../../core/random.ts";
import { parseCompletionRequest } from "../../../../gateway/openai/completion-request.ts";
import { openGeneration } from "../../../../gateway/openai/opened-generation.ts";
import type { TextEvent } from "../../../../gateway/serving/generation/text-generation.ts";
import { HeldPace } from "../../../support/held-pace.ts";
import { SCRIPTED_MODEL, type ScriptedOptions, ScriptedText } from "../../../support/scripted-text.ts";

function open(text: ScriptedText, fields: object, signal = new AbortController().signal): AsyncIterable<TextEvent> {
  const call = parseCompletionRequest(Buffer.from(JSON.stringify({ model: SCRIPTED_MODEL, ...fields })));
  return openGeneration(text, call, seededRandom(1n), { tenant: "public", traceparent: "", signal });
}

function texts(events: readonly TextEvent[]): readonly string[] {
  const said: string[] = [];
  for (const event of events) if (event.kind === "delta") said[event.choice] = (said[event.choice] ?? "") + event.text;
  return said;
}

describe("several prompts in one call", () => {
  const three = { prompt: ["one", "one two", "one two three"], n: 2, max_tokens: 5, temperature: 0 };

  test("are one stream that starts once, with choices numbered prompt · n + k", async () => {
    const events = await Array.fromAsync(open(new ScriptedText(), three));
    expect(events.filter(({ kind }) => kind === "started")).toEqual([events[0]]);
    expect(events[0]).toMatchObject({ kind: "started", promptTokens: 6 });
    expect(
      events
        .filter((event) => event.kind === "finished")
        .map((event) => event.choice)
        .toSorted(),
    ).toEqual([0, 1, 2, 3, 4, 5]);
    const alone = await Promise.all(
      three.prompt.map(async (prompt) => texts(await Array.fromAsync(open(new ScriptedText(), { ...three, prompt })))),
    );
    expect(texts(events)).toEqual(alone.flat());
  });

  test("take their turns: none waits for another to end", async () => {
    const events = await Array.fromAsync(open(new ScriptedText(), three));
    const firstEnd = events.findIndex(({ kind }) => kind === "finished");
    const begun = new Set(events.slice(0, firstEnd).map((event) => (event.kind === "delta" ? Math.floor(event.choice / 2) : 0)));
    expect(begun).toEqual(new Set([0, 1, 2]));
  });

  test("share the drawn seed, and a given one", async () => {
    const text = new ScriptedText();
    await Array.fromAsync(open(text, { prompt: ["a", "b"] }));
    await Array.fromAsync(open(text, { prompt: ["a", "b"], seed: 9 }));
    const seeds = text.requests.map(({ sampling }) => sampling.seed);
    expect(seeds[0]).toBe(seeds[1]);
    expect(seeds.slice(2)).toEqual([9n, 9n]);
  });

  test.each<[string, ScriptedOptions, RegExp]>([
    ["before it starts", {}, /exceed the context/],
    ["in the middle", { fail: { atPosition: 2, code: "UNAVAILABLE", message: "gone" } }, /gone/],
  ])("end together when one fails %s", async (when, options, message) => {
    const text = new ScriptedText(options);
    const prompt = when === "before it starts" ? ["fits", "x ".repeat(5000)] : ["one", "two"];
    await expect(Array.fromAsync(open(text, { prompt }))).rejects.toThrow(message);
    expect(text.running).toBe(0);
  });

  test("end together when the loop is left or the signal aborts, even while they wait", async () => {
    const hold = new HeldPace(1);
    const text = new ScriptedText(hold);
    for await (const event of open(text, { prompt: ["one", "two", "three"] })) if (event.kind === "delta") break;
    expect(text).toMatchObject({ running: 0, canceled: 3 });
    const abort = new AbortController();
    const reading = Array.fromAsync(open(text, { prompt: ["one", "two"] }, abort.signal));
    await expect.poll(() => hold.held, { interval: 1 }).toBe(2);
    abort.abort(new Error("left"));
    await expect(reading).rejects.toThrow("left");
    expect(text).toMatchObject({ running: 0, canceled: 5 });
  });
});
