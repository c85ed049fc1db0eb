/**
 * Attacks that other servers have fallen for, sent to the doors: each test is named by its row of test/house/attacks.ts. Whatever comes
 * is refused quickly, changes nothing, and leaves nothing behind.
 */
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GRPCInferenceService } from "../../protos/gen/grpc_service_pb.ts";
import { HeldPace } from "../support/held-pace.ts";
import { SCRIPTED_MODEL, ScriptedText } from "../support/scripted-text.ts";
import { TurnWatch } from "../support/turn-watch.ts";
import { GrpcClient } from "./grpc-client.ts";
import { type ScriptedDoors, startDoors } from "./open-doors.ts";
import { postText, RawClient } from "./raw-client.ts";

const TURN_MS_MAX = 50;

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

const CHAT = "/v1/chat/completions";

let doors: ScriptedDoors;
let watch: TurnWatch;

beforeAll(async () => {
  doors = await startDoors();
  watch = new TurnWatch();
  expect((await chat({})).status).toBe(200); // what is compiled and started once does not count
  await post(CHAT, chatBody({ padding: "x".repeat(512 * 1024) }));
});

afterAll(async () => {
  watch?.[Symbol.dispose]();
  await doors?.[Symbol.asyncDispose]();
});

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`${doors.httpAddress}${path}`, { method: "POST", body, headers });
const chatBody = (fields: object) =>
  JSON.stringify({ model: SCRIPTED_MODEL, messages: [{ role: "user", content: "Hi" }], max_tokens: 2, ...fields });
const chat = (fields: object) => post(CHAT, chatBody(fields));
const portOf = (address: string | undefined) => Number(new URL(address ?? "").port);

async function refused(answer: Response, what: unknown): Promise<{ readonly param: string | null; readonly message: string }> {
  const said: { readonly error?: { readonly param: string | null; readonly message: string } } = JSON.parse(await answer.text());
  expect(answer.status, `${JSON.stringify(what).slice(0, 200)}: ${JSON.stringify(said).slice(0, 200)}`).toBe(400);
  return { param: said.error?.param ?? null, message: said.error?.message ?? "" };
}

describe("bytes", () => {
  test("R15: a multipart boundary of any length costs no time", async () => {
    watch.reset();
    for (const length of [10, 10_000]) {
      const boundary = "-".repeat(length);
      const body = `--${boundary}\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--${boundary}--\r\n`.repeat(50);
      await refused(await post(CHAT, body, { "content-type": `multipart/form-data; boundary=${boundary}` }), length);
    }
    using client = await RawClient.open(portOf(doors.httpAddress));
    client.send(postText(CHAT, "{}", `X-Type: multipart/form-data; boundary=${"-".repeat(2 ** 20)}\r\n`));
    expect(await client.until("\r\n\r\n")).toMatch(/^HTTP\/1.1 431 /);
    expect(watch.longestMs).toBeLessThan(TURN_MS_MAX);
  });

  test("R16: a client that leaves at any of six points leaves nothing behind", async () => {
    const held = new HeldPace(3);
    const text = new ScriptedText({ pace: held.pace });
    await using own = await startDoors({}, { text });
    const port = portOf(own.httpAddress);
    const head = postText(CHAT, chatBody({ stream: true, max_tokens: 4 }));
    const reset = (client: RawClient) => client.socket.resetAndDestroy();
    const points: readonly ((client: RawClient) => unknown)[] = [
      reset,
      (client) => reset(client.send(head.slice(0, -5))),
      (client) => reset(client.send(head)),
      async (client) => {
        await client.send(head).until("content");
        reset(client);
      },
      async (client) => {
        await client.send(head).until('"content":" ');
        held.release(1);
        reset(client);
      },
      async (client) => {
        await client.send(postText(CHAT, chatBody({ stream: true, max_tokens: 2 }))).until("[DONE]");
        reset(client);
      },
    ];
    for (let round = 0; round < 100; round++) {
      await Promise.all(points.map(async (leave) => leave(await RawClient.open(port))));
    }
    await expect.poll(() => [text.running, held.held], { interval: 1 }).toEqual([0, 0]);
    held.release(10);
    const after = await fetch(`${own.httpAddress}${CHAT}`, { method: "POST", body: chatBody({}) });
    expect(after.status).toBe(200);
  });

  test("R18: 5,000 connections that break, silent or in an answer, leave no descriptor open", async () => {
    const port = portOf(doors.httpAddress);
    const descriptors = () => readdirSync("/dev/fd").length;
    const before = descriptors();
    const stream = postText(CHAT, chatBody({ stream: true, max_tokens: 50 }));
    const broken = (index: number) =>
      new Promise<void>((resolve) => {
        const socket = connect({ host: "127.0.0.1", port });
        socket.on("error", () => undefined).on("close", () => resolve());
        socket.on("connect", () => {
          if (index % 5 === 0) socket.write(stream);
          if (index % 10 !== 0) socket.resetAndDestroy();
        });
        socket.on("data", () => socket.resetAndDestroy());
      });
    for (let from = 0; from < 5_000; from += 100) await Promise.all(Array.from({ length: 100 }, (_, index) => broken(from + index)));
    await expect.poll(() => Math.abs(descriptors() - before), { interval: 5 }).toBeLessThanOrEqual(5);
    await expect.poll(() => doors.text.running, { interval: 1 }).toBe(0);
    expect((await chat({})).status).toBe(200);
  });
});

const BAD_NAMES = [";id", "$(id)", "a\nb", "..", "a/../b", " ..", "`id`", "a|b", "nul\u0000", "x".repeat(600)];

describe("names", () => {
  test("R21: names with a shell's characters are no models, whatever the call over HTTP", async () => {
    await doors.models.load("add_sub", { files: new Map() });
    const before = doors.models.loads.length;
    for (const name of BAD_NAMES) {
      const at = encodeURIComponent(name);
      const calls: readonly (readonly [string, string])[] = [
        ["POST", `/v2/models/${at}/infer`],
        ["POST", `/v2/models/${at}/generate`],
        ["POST", `/v2/models/${at}/generate_stream`],
        ["GET", `/v2/models/${at}`],
        ["GET", `/v2/models/${at}/config`],
        ["GET", `/v2/models/${at}/stats`],
        ["GET", `/v2/models/${at}/ready`],
        ["GET", `/v2/models/${at}/versions/1`],
        ["GET", `/v1/models/${at}`],
      ];
      for (const [method, path] of calls) {
        const body = method === "POST" ? '{"inputs":[]}' : undefined;
        const answer = await fetch(`${doors.httpAddress}${path}`, { method, ...(body !== undefined && { body }) });
        expect([400, 404], `${method} ${path}: ${answer.status} ${await answer.text()}`).toContain(answer.status);
      }
    }
    expect(doors.models.loads.length).toBe(before);
    expect((await chat({ model: "$(id)" })).status).toBe(404);
  });

  test("R21: nor over gRPC", async () => {
    using grpc = new GrpcClient(doors.grpcPort);
    const { modelInfer, modelMetadata, modelConfig, modelStatistics } = GRPCInferenceService.method;
    for (const name of BAD_NAMES) {
      const codes = await Promise.all([
        grpc.unary(modelInfer, { modelName: name }),
        grpc.unary(modelMetadata, { name }),
        grpc.unary(modelConfig, { name }),
        grpc.unary(modelStatistics, { name }),
      ]);
      for (const { code, details } of codes) expect(["INVALID_ARGUMENT", "NOT_FOUND"], `${name}: ${details}`).toContain(code);
    }
  });
});

describe("chats", () => {
  test("R31, R32: no address and no path in a message is followed, however it is spelled", async () => {
    let hits = 0;
    await using canary = createServer((_, response) => {
      hits++;
      response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data" }).end();
    });
    await new Promise<void>((resolve) => canary.listen(0, "127.0.0.1", resolve));
    const { port } = canary.address() as AddressInfo;
    const spellings = [
      `http://127.0.0.1:${port}/a.png`,
      `http://localhost:${port}/a.png`,
      `http://2130706433:${port}/`,
      `http://0x7f000001:${port}/`,
      `http://0177.0.0.1:${port}/`,
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://allowed.example\\@127.0.0.1:${port}/`,
      `http://allowed.example@127.0.0.1:${port}/`,
      `http://127.0.0.1.nip.io:${port}/`,
      "http://169.254.169.254/latest/meta-data",
      "file:///etc/passwd",
      "/etc/passwd",
      "data:image/png;base64,AAAA",
    ];
    for (const url of spellings) {
      const parts = [
        { type: "image_url", image_url: { url } },
        { type: "image_url", image_url: url },
        { type: "video_url", video_url: { url } },
        { type: "audio_url", audio_url: { url } },
        { type: "input_image", image_url: url },
        { type: "file", file: { file_data: url, file_id: url } },
        { type: "input_audio", input_audio: { data: url, format: "wav" } },
      ];
      for (const part of parts) {
        const { param } = await refused(await chat({ messages: [{ role: "user", content: [part] }] }), part);
        expect(param).toBe("messages[0].content[0].type");
      }
    }
    expect(hits).toBe(0);
  });

  test("R33: numbers and lists beyond reason are refused by their name, without work", async () => {
    const beyond: readonly (readonly [string, unknown])[] = [
      ["n", 1e9],
      ["n", -1],
      ["max_tokens", -1],
      ["max_tokens", 1e12],
      ["max_completion_tokens", 0],
      ["top_logprobs", 1e6],
      ["logit_bias", Object.fromEntries(Array.from({ length: 100_000 }, (_, id) => [id, 1]))],
      ["stop", Array(100_000).fill("x")],
      ["messages", Array(100_000).fill({ role: "user", content: "x" })],
      ["tools", Array(10_000).fill({ type: "function" })],
      ["temperature", "NaN"],
      ["top_p", -0.1],
      ["top_k", -7],
      ["min_p", -1],
      ["repetition_penalty", -1],
      ["presence_penalty", -100],
      ["frequency_penalty", 100],
    ];
    watch.reset();
    for (const [name, value] of beyond) {
      const asked = name === "top_logprobs" ? { logprobs: true, top_logprobs: value } : { [name]: value };
      expect((await refused(await chat(asked), name)).param, name).toBe(name);
    }
    expect((await post(CHAT, '{"model":"m","messages":[],"temperature":NaN}')).status).toBe(400);
    expect(watch.longestMs).toBeLessThan(TURN_MS_MAX);
  });

  test("R34: schemas, expressions and tools that are broken are refused before a node hears of them", async () => {
    const schema = (body: unknown) => ({ response_format: { type: "json_schema", json_schema: { name: "s", schema: body } } });
    const cyclic = { $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/a" } } };
    const broken: readonly object[] = [
      ...[cyclic, { type: 7 }, { enum: [] }, { pattern: "(" }, { pattern: "\\p{Nope}" }, { pattern: "(a+)+$" }].map(schema),
      schema({ enum: Array.from({ length: 100_000 }, (_, index) => `${index}`) }),
      { response_format: { type: "regex", regex: "(" } },
      { response_format: { type: 7 } },
      { response_format: { type: "json_schema" } },
      { response_format: [] },
      { tools: [{ type: 7 }] },
      { tools: { type: "function" } },
      { tools: [{ type: "function", function: { name: "f", parameters: { type: "nothing" } } }] },
      { tool_choice: { type: "function", function: { name: "nobody" } } },
    ];
    const asked = doors.text.requests.length;
    for (const fields of broken) await refused(await chat(fields), fields);
    expect(doors.text.requests.length).toBe(asked);
  });

  test("R36, R37: thousands of schemas are refused, each for itself, and none is kept", async () => {
    const asked = (index: number) =>
      chat({
        response_format: {
          type: "json_schema",
          json_schema: { name: "s", schema: { type: "object", title: `${index}`, description: "x".repeat(4_096) } },
        },
      });
    for (let index = 0; index < 200; index++) await refused(await asked(index), index);
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 2_000; index++) await refused(await asked(index), index);
    await expect
      .poll(() => {
        collect();
        return process.memoryUsage().heapUsed - before;
      })
      .toBeLessThan(4 * 2 ** 20);
  });

  test("R40: tensors in a request are refused", async () => {
    for (const name of ["prompt_embeds", "prompt_embeddings", "image_embeds", "multi_modal_data", "mm_processor_kwargs"]) {
      expect((await refused(await chat({ [name]: "gASVAA==" }), name)).param).toBe(name);
      const completion = JSON.stringify({ model: SCRIPTED_MODEL, prompt: "a", [name]: ["gASVAA=="] });
      expect((await refused(await post("/v1/completions", completion), name)).param).toBe(name);
    }
  });
});
