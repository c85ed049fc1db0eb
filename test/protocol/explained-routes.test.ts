/** `X-Nereid-Explain: route`: who asks where a request went is told with the answer, by every door that infers. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "../../core/random.ts";
import { newApiKey } from "../../gateway/access/api-keys.ts";
import { GRPCInferenceService } from "../../protos/gen/grpc_service_pb.ts";
import { SCRIPTED_PICK } from "../support/scripted-pick.ts";
import { SCRIPTED_MODEL, ScriptedText } from "../support/scripted-text.ts";
import { GrpcClient } from "./grpc-client.ts";
import { type ScriptedDoors, startDoors } from "./open-doors.ts";

const EXPLAIN = { "x-nereid-explain": "route" };
const model = encodeURIComponent(SCRIPTED_MODEL);
const TEXT = { text_input: "the sea", max_tokens: 3 };
const completion = { model: SCRIPTED_MODEL, prompt: "the sea", max_tokens: 3 };
const chat = { model: SCRIPTED_MODEL, messages: [{ role: "user", content: "the sea" }], max_tokens: 3 };
const addSub = { inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "FP32", shape: [4], data: [1, 2, 3, 4] })) };

let doors: ScriptedDoors;
beforeAll(async () => {
  doors = await startDoors();
});
afterAll(() => doors?.[Symbol.asyncDispose]());

async function routeOf(path: string, body: unknown, headers: Readonly<Record<string, string>> = EXPLAIN, to = doors) {
  const response = await fetch(`${to.httpAddress}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  const route = response.headers.get("x-nereid-route");
  await response.text();
  return { status: response.status, picks: route === null ? undefined : JSON.parse(route).picks };
}

const PICKED = [{ chosen: SCRIPTED_PICK.chosen, candidates: [{ load: 0.25 }], filtered: SCRIPTED_PICK.filtered }];

test.each([
  ["infer", "/v2/models/add_sub/infer", addSub],
  ["generate", `/v2/models/${model}/generate`, TEXT],
  ["generate_stream", `/v2/models/${model}/generate_stream`, TEXT],
  ["a completion", "/v1/completions", completion],
  ["a streamed completion", "/v1/completions", { ...completion, stream: true }],
  ["a chat", "/v1/chat/completions", chat],
  ["a streamed chat", "/v1/chat/completions", { ...chat, stream: true }],
])("%s says where it went when it is asked, and nothing otherwise", async (_, path, body) => {
  expect(await routeOf(path, body)).toMatchObject({ status: 200, picks: PICKED });
  expect(await routeOf(path, body, {})).toEqual({ status: 200, picks: undefined });
  expect(await routeOf(path, body, { "x-nereid-explain": "everything" })).toEqual({ status: 200, picks: undefined });
});

test.each([
  ["a completion", "/v1/completions", { ...completion, seed: 3, stream: true }],
  ["generate_stream", `/v2/models/${model}/generate_stream`, { ...TEXT, random_seed: 3 }],
])("%s that moves says so in a comment before the event that follows, which clients pass over", async (_, path, body) => {
  await using moving = await startDoors({}, { text: new ScriptedText({ movesAt: 2 }) });
  const streamed = async (headers: Readonly<Record<string, string>>) => {
    const response = await fetch(`${moving.httpAddress}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return (await response.text()).replaceAll(/"(id|created)":("[^"]*"|\d+)/g, "");
  };
  const plain = await streamed({});
  const frames = (await streamed(EXPLAIN)).split("\n\n");
  const comments = frames.filter((frame) => frame.startsWith(":"));
  expect(frames.filter((frame) => !frame.startsWith(":")).join("\n\n")).toBe(plain);
  expect(comments).toEqual([expect.stringMatching(/^: nereid-move \{"picks":\[\{.*\}$/)]);
  expect(frames.indexOf(comments[0] ?? "")).toBeGreaterThan(0);
});

test("a request that fails behind its choice says where it went too", async () => {
  expect(await routeOf("/v2/models/add_sub/infer", { inputs: [] })).toMatchObject({ status: 400, picks: PICKED });
});

test("ModelInfer over gRPC says it in its trailers", async () => {
  using client = new GrpcClient(doors.grpcPort);
  const message = {
    modelName: "add_sub",
    inputs: addSub.inputs.map(({ name, datatype, data }) => ({ name, datatype, shape: [4n], contents: { fp32Contents: data } })),
  };
  const told = async (metadata: Readonly<Record<string, string>>) =>
    (await client.unary(GRPCInferenceService.method.modelInfer, message, { metadata })).trailers.get("x-nereid-route");
  expect(JSON.parse(String((await told(EXPLAIN))[0]))).toMatchObject({ picks: PICKED });
  expect(await told({})).toEqual([]);
});

test("who may not read the cluster's state is served, and not told", async () => {
  const key = newApiKey(seededRandom(1n), { tenant: "acme", access: ["inference"] });
  await using locked = await startDoors({ apiKeys: key.line, httpRestrictedApi: ["metadata:X-Secret=open"] });
  const asked = { ...EXPLAIN, authorization: `Bearer ${key.key}` };
  expect(await routeOf("/v1/completions", completion, asked, locked)).toEqual({ status: 200, picks: undefined });
  expect(await routeOf("/v1/completions", completion, { ...asked, "x-secret": "open" }, locked)).toMatchObject({ picks: PICKED });
});
