/** `…/infer` as server-sent events: tensors of models that answer any number of times, over HTTP. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { HeldPace } from "../support/held-pace.ts";
import { SCRIPTED_MODEL, ScriptedText } from "../support/scripted-text.ts";
import { type ScriptedDoors, startDoors } from "./open-doors.ts";
import { framesOf, postText, RawClient } from "./raw-client.ts";

interface InferEvent {
  readonly error?: string;
  readonly id?: string;
  readonly model_name: string;
  readonly model_version: string;
  readonly parameters: { readonly triton_final_response: boolean };
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly data: readonly unknown[];
  }[];
}

let doors: ScriptedDoors;
beforeAll(async () => {
  doors = await startDoors();
});
afterAll(() => doors?.[Symbol.asyncDispose]());

const pathOf = (model: string) => `/v2/models/${encodeURIComponent(model)}/infer`;
const textInput = { name: "text_input", datatype: "BYTES", shape: [1], data: ["the sea"] };
const SEED = { name: "random_seed", datatype: "UINT64", shape: [1], data: [5] };
const limit = (tokens: number) => ({ name: "max_tokens", datatype: "INT32", shape: [1], data: [tokens] });
const addSub = ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "FP32", shape: [4], data: [1, 2, 3, 4] }));

function post(model: string, body: unknown, to = doors): Promise<Response> {
  return fetch(`${to.httpAddress}${pathOf(model)}`, {
    method: "POST",
    headers: { accept: "text/event-stream" },
    body: JSON.stringify(body),
  });
}

function eventsOf(text: string): readonly InferEvent[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data = ""]): InferEvent => JSON.parse(data));
}

test("a language model answers with an event for each piece of its text, then one that is final and empty", async () => {
  const response = await post(SCRIPTED_MODEL, { id: "7", inputs: [textInput, limit(6), SEED] });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
  const events = eventsOf(await response.text());
  expect(events.length).toBeGreaterThan(3);
  for (const event of events) expect(event).toMatchObject({ id: "7", model_name: SCRIPTED_MODEL, model_version: "1" });
  expect(events.map(({ parameters }) => parameters.triton_final_response)).toEqual(events.map((_, index) => index === events.length - 1));
  expect(events.at(-1)?.outputs).toEqual([]);
  const pieces = events.slice(0, -1).map(({ outputs: [output] }) => output);
  for (const piece of pieces) expect(piece).toMatchObject({ name: "text_output", datatype: "BYTES", shape: [1] });
  const generated = await fetch(`${doors.httpAddress}/v2/models/${encodeURIComponent(SCRIPTED_MODEL)}/generate`, {
    method: "POST",
    body: JSON.stringify({ text_input: "the sea", max_tokens: 6, random_seed: 5 }),
  });
  const whole: { readonly text_output: string } = JSON.parse(await generated.text());
  expect(pieces.map((piece) => String(piece?.data[0])).join("")).toBe(whole.text_output);
});

test("an ordinary model answers with one event, which is final", async () => {
  const [only, ...others] = eventsOf(await (await post("add_sub", { inputs: addSub })).text());
  expect(others).toEqual([]);
  expect(only).toMatchObject({ model_name: "add_sub", parameters: { triton_final_response: true } });
  expect(only?.outputs[0]?.data).toEqual([2, 4, 6, 8]);
});

test.each([
  ["an unknown model", "nothing", { inputs: addSub }, 404, "Request for unknown model: 'nothing' is not found"],
  ["a missing input", SCRIPTED_MODEL, { inputs: [limit(2)] }, 400, "missing required input(s) ['text_input']"],
  ["a value out of range", SCRIPTED_MODEL, { inputs: [textInput, limit(-1)] }, 400, "max_tokens"],
  ["binary outputs", "add_sub", { inputs: addSub, parameters: { binary_data_output: true } }, 400, "events carry JSON only"],
  [
    "a binary output",
    "add_sub",
    { inputs: addSub, outputs: [{ name: "OUTPUT0", parameters: { binary_data: true } }] },
    400,
    "events carry JSON only",
  ],
] as const)("%s is an ordinary error", async (_, model, body, status, text) => {
  const response = await post(model, body);
  const said: { readonly error: string } = JSON.parse(await response.text());
  expect([response.status, response.headers.get("content-type")]).toEqual([status, "application/json"]);
  expect(said.error).toContain(text);
});

test("without the header a language model still asks for another way", async () => {
  const response = await fetch(`${doors.httpAddress}${pathOf(SCRIPTED_MODEL)}`, {
    method: "POST",
    body: JSON.stringify({ inputs: [textInput] }),
  });
  expect(response.status).toBe(501);
});

test("a failure after the first piece is the last event", async () => {
  const text = new ScriptedText({ fail: { atPosition: 2, code: "UNAVAILABLE", message: "a stage has died" } });
  await using failing = await startDoors({}, { text });
  const response = await post(SCRIPTED_MODEL, { inputs: [textInput] }, failing);
  const events = eventsOf(await response.text());
  expect(response.status).toBe(200);
  expect(events.at(-1)).toEqual({ error: "a stage has died" });
  expect(events.filter(({ error }) => error !== undefined)).toHaveLength(1);
});

test("pieces leave as they are made, and a client that hangs up cancels the rest", async () => {
  const held = new HeldPace(2);
  const text = new ScriptedText(held);
  await using slow = await startDoors({}, { text });
  {
    using client = await RawClient.open(Number(new URL(slow.httpAddress ?? "").port));
    client.send(postText(pathOf(SCRIPTED_MODEL), JSON.stringify({ inputs: [textInput] }), "Accept: text/event-stream\r\n"));
    expect(framesOf(await client.until("text_output")).length).toBeGreaterThan(0);
    expect([text.running, text.canceled]).toEqual([1, 0]);
  }
  await expect.poll(() => [text.running, text.canceled]).toEqual([0, 1]);
});
