/** Triton's HTTP endpoint for language models: health, metadata, generate. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SCRIPTED_MODEL, servedModel } from "../support/scripted-text.ts";
import { framesOf, postText, RawClient } from "./raw-client.ts";
import { type ScriptedGateway, startScriptedGateway } from "./scripted-gateway.ts";

const MODEL = encodeURIComponent(SCRIPTED_MODEL);

let gateway: ScriptedGateway;

beforeAll(async () => {
  gateway = await startScriptedGateway();
});

afterAll(() => gateway[Symbol.asyncDispose]());

beforeEach(() => {
  gateway.text.models = [
    servedModel(SCRIPTED_MODEL),
    { ...servedModel("slow"), readiness: { kind: "loading", detail: "opening" } },
    { ...servedModel("slow"), version: "2" },
    { ...servedModel("broken"), readiness: { kind: "failed", reason: "no such file" } },
  ];
});

async function get(path: string): Promise<[status: number, body: string]> {
  const answer = await fetch(gateway.url + path);
  return [answer.status, await answer.text()];
}

async function post(path: string, body: unknown): Promise<[status: number, body: unknown]> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await fetch(gateway.url + path, { method: "POST", body: text });
  return [answer.status, await answer.json()];
}

describe("health", () => {
  test("live is 200 and empty; ready is so only when every model answers", async () => {
    expect(await get("/v2/health/live")).toEqual([200, ""]);
    expect(await get("/v2/health/ready")).toEqual([400, ""]);
    gateway.text.models = [servedModel("a")];
    expect(await get("/v2/health/ready")).toEqual([200, ""]);
    gateway.text.models = [];
    expect(await get("/v2/health/ready")).toEqual([200, ""]);
  });

  test.each([
    [`/v2/models/${MODEL}/ready`, [200, ""]],
    [`/v2/models/${MODEL}/versions/1/ready`, [200, ""]],
    ["/v2/models/slow/ready", [200, ""]],
    ["/v2/models/slow/versions/1/ready", [400, '{"error":"Model version not ready"}']],
    ["/v2/models/broken/ready", [400, '{"error":"Model version not ready"}']],
    ["/v2/models/nope/ready", [400, '{"error":"Model version not ready"}']],
    ["/v2/models/slow/versions/abc/ready", [404, '{"error":"Not Found"}']],
  ])("%s is answered as Triton answers it", async (path, expected) => {
    expect(await get(path)).toEqual(expected);
  });
});

describe("metadata", () => {
  test("of the server names Triton's extensions in Triton's order", async () => {
    const extensions =
      '"classification","sequence","model_repository","model_repository(unload_dependents)","schedule_policy","model_configuration",' +
      '"system_shared_memory","cuda_shared_memory","binary_tensor_data","parameters","statistics","trace","logging"';
    expect(await get("/v2")).toEqual([200, `{"name":"nereid","version":"0.0.0","extensions":[${extensions}]}`]);
  });

  test("of a language model has the inputs and outputs of Triton's LLM backends", async () => {
    const [status, body] = await get(`/v2/models/${MODEL}`);
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ name: SCRIPTED_MODEL, versions: ["1"], platform: "llm" });
    expect(JSON.parse(body).inputs.slice(0, 2)).toEqual([
      { name: "text_input", datatype: "BYTES", shape: [1] },
      { name: "max_tokens", datatype: "INT32", shape: [1] },
    ]);
    expect(JSON.parse(body).outputs).toEqual([{ name: "text_output", datatype: "BYTES", shape: [1] }]);
  });

  test.each([
    ["/v2/models/nope", 404, "Request for unknown model: 'nope' is not found"],
    [`/v2/models/${MODEL}/versions/9`, 404, `Request for unknown model: '${SCRIPTED_MODEL}' version 9 is not found`],
    ["/v2/models/broken", 404, "Request for unknown model: 'broken' has no available versions"],
    ["/v2/models/slow/versions/1", 503, "Request for unknown model: 'slow' version 1 is not at ready state"],
    ["/v2/models/slow/versions/x", 404, "Not Found"],
  ])("%s is %i", async (path, status, error) => {
    expect(await get(path)).toEqual([status, JSON.stringify({ error })]);
  });
});

describe("generate", () => {
  test("takes the text as it is and answers in one object", async () => {
    const [status, body] = await post(`/v2/models/${MODEL}/generate`, { text_input: "The sea", max_tokens: 3, temperature: 0 });
    expect([status, Object.keys(body as object)]).toEqual([200, ["model_name", "model_version", "text_output"]]);
    expect(body).toMatchObject({ model_name: SCRIPTED_MODEL, model_version: "1" });
    expect(gateway.text.requests.at(-1)?.prompt).toEqual({ kind: "text", text: "The sea" });
  });

  test("parameters may hold the inputs, an id comes back, and what is on top wins", async () => {
    const parameters = { stream: false, temperature: 0, max_tokens: 9, top_k: 5, anything: "else" };
    const body = { id: "7", text_input: ["The sea"], max_tokens: 2, stop_words: ["x", "y"], random_seed: 5, parameters };
    expect(await post(`/v2/models/${MODEL}/versions/1/generate`, body)).toMatchObject([200, { id: "7" }]);
    expect(gateway.text.requests.at(-1)).toMatchObject({
      tokensMax: 2,
      stop: ["x", "y"],
      choices: 1,
      sampling: { temperature: 0, topK: 5, seed: 5n, topP: 1 },
    });
  });

  test("the events of a stream join to the whole text, and end without [DONE]", async () => {
    const ask = { text_input: "The sea", temperature: 0 };
    const [, whole] = await post(`/v2/models/${MODEL}/generate`, ask);
    using client = await RawClient.open(gateway.server.port);
    const stream = await client.send(postText(`/v2/models/${MODEL}/generate_stream`, JSON.stringify(ask))).until("0\r\n\r\n");
    expect(stream).toMatch(/^HTTP\/1.1 200 OK\r\ncontent-type: text\/event-stream; charset=utf-8/);
    const events = framesOf(stream).map((frame) => JSON.parse(Buffer.from(frame, "latin1").toString()));
    expect(events.length).toBeGreaterThan(10);
    expect(events[0]).toEqual({ model_name: SCRIPTED_MODEL, model_version: "1", text_output: expect.any(String) });
    expect(events.map((event) => event.text_output).join("")).toBe((whole as { text_output: string }).text_output);
    const single = await client
      .send(postText(`/v2/models/${MODEL}/generate_stream`, JSON.stringify({ ...ask, stream: false })))
      .until("0\r\n\r\n");
    expect(framesOf(single).map((frame) => JSON.parse(Buffer.from(frame, "latin1").toString()))).toEqual([whole]);
  });

  test.each(["generate", "generate_stream"])("%s refuses in Triton's words, before it streams", async (way) => {
    const path = `/v2/models/${MODEL}/${way}`;
    expect(await post(`/v2/models/nope/${way}`, {})).toEqual([404, { error: "Request for unknown model: 'nope' is not found" }]);
    expect(await post(`/v2/models/broken/${way}`, {})).toEqual([
      404,
      { error: "Request for unknown model: 'broken' has no available versions" },
    ]);
    expect(await post(path, { max_tokens: 1 })).toEqual([
      400,
      {
        error:
          `[request id: <id_unknown>] expected number of inputs between 1 and 11 but got 1 inputs for model '${SCRIPTED_MODEL}'. ` +
          "Got input(s) ['max_tokens'], but missing required input(s) ['text_input']. Please provide all required input(s).",
      },
    ]);
    expect(await post(path, "{")).toEqual([500, { error: "failed to parse the request JSON buffer: Invalid value. at 1" }]);
    expect(await post(path, "")).toEqual([500, { error: "failed to parse the request JSON buffer: The document is empty. at 0" }]);
    expect(await post(path, { text_input: 5 })).toEqual([500, { error: "attempt to access JSON non-string as string" }]);
    expect(await post(path, { text_input: "x", parameters: [1] })).toEqual([
      400,
      { error: "Expected JSON object for keyword: 'parameters'" },
    ]);
    expect(await post(path, { text_input: "x ".repeat(5000) })).toMatchObject([400, { error: expect.stringContaining("context") }]);
  });

  test("a failure before the first text keeps its status, and one after it is the last event", async () => {
    for (const [atPosition, expected] of [
      [0, /^HTTP\/1.1 503 [\s\S]*retry-after: 1[\s\S]*\{"error":"the node is gone"\}$/i],
      [2, /^HTTP\/1.1 200 [\s\S]*data: \{"error":"the node is gone"\}\n\n\r\n0\r\n\r\n$/],
    ] as const) {
      await using failing = await startScriptedGateway({ fail: { atPosition, code: "UNAVAILABLE", message: "the node is gone" } });
      using client = await RawClient.open(failing.server.port);
      client.send(postText(`/v2/models/${MODEL}/generate_stream`, '{"text_input":"x"}', "Connection: close\r\n"));
      expect(await client.ended()).toMatch(expected);
    }
  });
});
