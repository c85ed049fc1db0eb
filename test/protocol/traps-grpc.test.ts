/** Triton's subtle behaviors over gRPC, and of generate_stream (test/golden/traps.md), against `nereid up` with real models. */
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  GRPCInferenceService,
  ModelInferRequestSchema,
  type ModelStreamInferResponse,
  ModelStreamInferResponseSchema,
} from "../../protos/gen/grpc_service_pb.ts";
import { Health } from "../../protos/gen/health_pb.ts";
import { type ModelCluster, startModelCluster } from "../cluster/whole-models/model-cluster.ts";
import { ModelRepository } from "../cluster/whole-models/model-repository.ts";
import { identity, slow } from "../models/small-models.ts";
import { realModelFolder } from "../support/real-model.ts";
import { SCRIPTED_MODEL, ScriptedText } from "../support/scripted-text.ts";
import { GrpcClient, pathOf } from "./grpc-client.ts";
import { streamBytes } from "./grpc-stream-bytes.ts";
import { startDoors } from "./open-doors.ts";

const { method } = GRPCInferenceService;
const ONE = "instance_group { count: 1 kind: KIND_CPU }";
const LANGUAGE = path.basename(realModelFolder());
const PROMPT = "The capital of France is";
const MEBIBYTE = 1024 * 1024;

const repository = new ModelRepository();
let cluster: ModelCluster;
let client: GrpcClient;
let port: number;

beforeAll(async () => {
  repository
    .put("identity", { "1/model.onnx": identity("i32", ["batch", "n"]), "config.pbtxt": ONE })
    .put("slow", { "1/model.onnx": slow(4_000), "config.pbtxt": `max_batch_size: 65536 ${ONE}` });
  symlinkSync(realModelFolder(), path.join(repository.folder, LANGUAGE));
  cluster = await startModelCluster(repository.folder, { "--nodes": "1", "--model": LANGUAGE, "--threads": "1" });
  port = Number(cluster.grpcAddress.split(":").at(-1));
  client = new GrpcClient(port);
});

afterAll(async () => {
  client?.[Symbol.dispose]();
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

type Request = MessageInitShape<typeof ModelInferRequestSchema>;

const int32 = (values: readonly number[]) => new Uint8Array(Int32Array.from(values).buffer);

function identityRequest(id: string, values: readonly number[], fields: Request = {}): Request {
  const shape = [1n, BigInt(values.length)];
  return {
    modelName: "identity",
    id,
    inputs: [{ name: "INPUT0", datatype: "INT32", shape }],
    rawInputContents: [int32(values)],
    ...fields,
  };
}

const slowRequest = (id: string, rows: number): Request => ({
  modelName: "slow",
  id,
  inputs: [{ name: "INPUT0", datatype: "FP32", shape: [BigInt(rows), 16n] }],
  rawInputContents: [new Uint8Array(rows * 64)],
});

function languageRequest(id: string, tokens: number, stop: readonly string[] = [], emptyFinal = false): Request {
  const text = (name: string, values: readonly string[]) => ({
    name,
    datatype: "BYTES",
    shape: [BigInt(values.length)],
    contents: { bytesContents: values.map((value) => Buffer.from(value)) },
  });
  return {
    modelName: LANGUAGE,
    id,
    inputs: [
      text("text_input", [PROMPT]),
      { name: "max_tokens", datatype: "INT32", shape: [1n], contents: { intContents: [tokens] } },
      { name: "temperature", datatype: "FP32", shape: [1n], contents: { fp32Contents: [0] } },
      ...(stop.length === 0 ? [] : [text("stop_words", stop)]),
    ],
    parameters: emptyFinal ? { triton_enable_empty_final_response: { parameterChoice: { case: "boolParam", value: true } } } : {},
  };
}

async function stream(requests: readonly Request[]) {
  const bytes = requests.map((request) => toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, request)));
  const { code, messages } = await streamBytes(port, pathOf(method.modelStreamInfer), bytes);
  return { code, messages: messages.map((message) => fromBinary(ModelStreamInferResponseSchema, message)) };
}

const idOf = ({ inferResponse }: ModelStreamInferResponse) => inferResponse?.id;
const isFinal = ({ inferResponse }: ModelStreamInferResponse) => inferResponse?.parameters["triton_final_response"]?.parameterChoice.value;
const textOf = ({ inferResponse }: ModelStreamInferResponse) =>
  Buffer.from(inferResponse?.rawOutputContents[0] ?? [])
    .subarray(4)
    .toString();

test("`raw_output_contents.length === outputs.length` → always, also for outputs in shared memory (empty bytes).", async () => {
  const plain = await client.unary(method.modelInfer, identityRequest("", [1, 2]));
  expect(plain.message?.rawOutputContents.map(({ length }) => length)).toEqual([8]);
  const key = `nereid-trap-${process.pid}`;
  const file = `/dev/shm/${key}`;
  writeFileSync(file, new Uint8Array(64));
  try {
    await client.unary(method.systemSharedMemoryRegister, { name: "trap", key: `/${key}`, byteSize: 64n });
    const string = (value: string) => ({ parameterChoice: { case: "stringParam", value } }) as const;
    const size = (value: bigint) => ({ parameterChoice: { case: "int64Param", value } }) as const;
    const outputs = [{ name: "OUTPUT0", parameters: { shared_memory_region: string("trap"), shared_memory_byte_size: size(64n) } }];
    const { message, details } = await client.unary(method.modelInfer, identityRequest("", [1, 2], { outputs }));
    expect(
      message?.rawOutputContents.map(({ length }) => length),
      details,
    ).toEqual([0]);
    expect(message?.outputs).toHaveLength(1);
  } finally {
    await client.unary(method.systemSharedMemoryUnregister, { name: "trap" });
    rmSync(file);
  }
});

test("Messages over 4 MiB → work in both directions (the grpc-js default would refuse).", async () => {
  const values = Array.from({ length: (5 * MEBIBYTE) / 4 }, (_, index) => index);
  const { code, message } = await client.unary(method.modelInfer, identityRequest("", values));
  expect([code, message?.rawOutputContents[0]?.length]).toEqual(["OK", 5 * MEBIBYTE]);
});

test("Stream with a bad request → `error_message` with `infer_response.id`; the next request on the same stream still works; the stream's final status is OK.", async () => {
  const { code, messages } = await stream([identityRequest("bad", [1], { modelName: "nobody" }), identityRequest("good", [7])]);
  expect(code).toBe("OK");
  expect(messages.map((message) => [idOf(message), message.errorMessage])).toEqual([
    ["bad", "Request for unknown model: 'nobody' is not found"],
    ["good", ""],
  ]);
});

test("Non-decoupled responses on a stream → keep request order even when a later model is faster; decoupled ones interleave.", async () => {
  const ordinary = await stream([slowRequest("slow", 20_000), identityRequest("fast", [1])]);
  expect(ordinary.messages.map(idOf)).toEqual(["slow", "fast"]);
  const decoupled = await stream([languageRequest("a", 12), languageRequest("b", 12)]);
  const ids = decoupled.messages.map(idOf);
  expect([...new Set(ids)].toSorted()).toEqual(["a", "b"]);
  expect(ids.indexOf("b")).toBeLessThan(ids.lastIndexOf("a"));
});

test("Decoupled model with 0 responses → nothing is sent unless `triton_enable_empty_final_response`; with it, one message, no outputs, `triton_final_response=true`.", async () => {
  const { messages: whole } = await stream([languageRequest("whole", 1)]);
  const first = whole.map(textOf).join("");
  expect(first).not.toBe("");
  expect(await stream([languageRequest("none", 4, [first])])).toEqual({ code: "OK", messages: [] });
  const { messages } = await stream([languageRequest("end", 4, [first], true)]);
  expect(messages.map((message) => [idOf(message), message.inferResponse?.outputs, isFinal(message)])).toEqual([["end", [], true]]);
});

test("Half-close, then late responses → all arrive, then OK.", async () => {
  // streamBytes closes its half as soon as the requests are sent.
  const { code, messages } = await stream([languageRequest("late", 8, [], true), slowRequest("slow", 20_000)]);
  expect(code).toBe("OK");
  expect(messages.filter((message) => idOf(message) === "late" && isFinal(message) === true)).toHaveLength(1);
  expect(messages.filter((message) => idOf(message) === "slow")).toHaveLength(1);
});

test("ModelReady for an unknown model → `ready=false`, status OK; ModelMetadata for it → NOT_FOUND.", async () => {
  expect(await client.unary(method.modelReady, { name: "nobody" })).toMatchObject({ code: "OK", message: { ready: false } });
  expect(await client.unary(method.modelMetadata, { name: "nobody" })).toMatchObject({ code: "NOT_FOUND" });
});

test("grpc.health.v1 Check → answers for any service name.", async () => {
  for (const service of ["", "inference.GRPCInferenceService", "nobody.Knows"]) {
    expect(await client.unary(Health.method.check, { service })).toMatchObject({ code: "OK", message: { status: 1 } });
  }
});

test('generate_stream, error before the first response → keeps its HTTP status; error after it → `data: {"error":…}` on a 200 stream; never `[DONE]`.', async () => {
  const generate = (url: string | undefined, model: string, body: string) =>
    fetch(`${url}/v2/models/${encodeURIComponent(model)}/generate_stream`, { method: "POST", body });
  const before = await generate(cluster.url, LANGUAGE, '{"text_input":"a","max_tokens":-1}');
  expect([before.status, before.headers.get("content-type")]).toEqual([400, "application/json"]);
  const good = await (await generate(cluster.url, LANGUAGE, '{"text_input":"a","max_tokens":3}')).text();
  expect(good).toMatch(/^data: \{/);
  expect(good).not.toContain("[DONE]");
  // A real model fails when it is killed: test/cluster/runner-death.test.ts. Here it fails where the test wants it.
  await using failing = await startDoors({}, { text: new ScriptedText({ fail: { atPosition: 2, code: "INTERNAL", message: "it died" } }) });
  const after = await generate(failing.httpAddress, SCRIPTED_MODEL, '{"text_input":"a"}');
  const text = await after.text();
  expect([after.status, text.endsWith('data: {"error":"it died"}\n\n')]).toEqual([200, true]);
  expect(text).not.toContain("[DONE]");
});
