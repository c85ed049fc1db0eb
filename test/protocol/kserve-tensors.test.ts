/** Triton's HTTP endpoint for models of tensors, beyond what was recorded: forms of data, compression, limits, shared memory, control. */
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ScriptedModels } from "../support/scripted-models.ts";
import { MODEL_SCRIPTS, type ModelScript } from "../support/scripted-models-table.ts";
import { type HttpReply, parseReplies } from "./http-reply.ts";
import { type KserveGateway, startKserve } from "./kserve-models.ts";
import { RawClient } from "./raw-client.ts";

const identity = (name: string, dtype: "INT64" | "FP16" | "BYTES", dims: readonly number[]): ModelScript => ({
  name,
  does: "identity",
  maxBatchSize: 0,
  inputs: [{ name: "INPUT0", dtype, dims }],
  outputs: [{ name: "OUTPUT0", dtype, dims, labels: ["low", "high"] }],
});
const SCRIPTS = [
  ...MODEL_SCRIPTS.filter(({ name }) => name !== "broken"),
  identity("int64", "INT64", [-1]),
  identity("half", "FP16", [-1]),
  identity("one_string", "BYTES", [1]),
];

let gateway: KserveGateway;

beforeAll(async () => {
  gateway = await startKserve({ models: new ScriptedModels({ mode: "none", scripts: SCRIPTS }), forwardHeaders: "^x-tag" });
});

afterAll(() => gateway[Symbol.asyncDispose]());

type Answer = Pick<HttpReply, "status" | "headers"> & { readonly text: string; readonly json: unknown };

async function send(path: string, body: string | Uint8Array | undefined, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  using client = await RawClient.open(gateway.port);
  const length = body === undefined ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  client.send(`${body === undefined ? "GET" : "POST"} ${path} HTTP/1.1\r\nHost: localhost\r\n${lines.join("")}${length}\r\n`, body ?? "");
  for (let bytes = ""; ; ) {
    bytes += await client.until(/./s);
    const [reply] = parseReplies(Buffer.from(bytes, "latin1"));
    if (reply !== undefined) return { ...reply, ...readable(reply) };
  }
}

function readable({ headers, body }: HttpReply): { readonly text: string; readonly json: unknown } {
  const jsonBytes = Number(headers.get("inference-header-content-length") ?? body.length);
  const text = body.subarray(0, jsonBytes).toString();
  return { text, json: text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : undefined };
}

const infer = (model: string, body: object | string, headers: Readonly<Record<string, string>> = {}) =>
  send(`/v2/models/${model}/infer`, typeof body === "string" ? body : JSON.stringify(body), headers);
const input = (change: object) => ({ inputs: [{ name: "INPUT0", shape: [2], datatype: "INT64", ...change }] });
const floats = (...values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);

function withBinary(json: object, ...blobs: readonly Uint8Array[]): [body: Uint8Array, headers: Record<string, string>] {
  const head = Buffer.from(JSON.stringify(json));
  return [Buffer.concat([head, ...blobs]), { "Inference-Header-Content-Length": String(head.length) }];
}

describe("data", () => {
  test("of 64-bit integers passes through JSON with all digits", async () => {
    const { text } = await infer("int64", '{"inputs":[{"name":"INPUT0","shape":[2],"datatype":"INT64","data":[9007199254740993,-1]}]}');
    expect(text).toContain('"data":[9007199254740993,-1]');
  });

  test("may be JSON for one input and binary for another", async () => {
    const inputs = [
      { name: "INPUT0", shape: [4], datatype: "FP32", parameters: { binary_data_size: 16 } },
      { name: "INPUT1", shape: [4], datatype: "FP32", data: [[1, 1], 1, 1] },
    ];
    const outputs = [{ name: "OUTPUT0", parameters: { binary_data: true } }, { name: "OUTPUT1" }];
    const [body, headers] = withBinary({ inputs, outputs }, floats(1, 2, 3, 4));
    const answer = await send("/v2/models/add_sub/infer", body, headers);
    expect(answer.json).toMatchObject({
      outputs: [
        { name: "OUTPUT0", parameters: { binary_data_size: 16 } },
        { name: "OUTPUT1", data: [0, 1, 2, 3] },
      ],
    });
    expect(answer.headers.get("content-type")).toBe("application/octet-stream");
  });

  test("of a binary input reaches the model as the bytes that were sent", async () => {
    const [body, headers] = withBinary(
      { inputs: [{ name: "INPUT0", shape: [1, 300_000], datatype: "FP32", parameters: { binary_data_size: 1_200_000 } }] },
      new Uint8Array(1_200_000).fill(7),
    );
    const answer = await send("/v2/models/identity_fp32/infer", body, { ...headers, "Accept-Encoding": "gzip" });
    expect(answer.status).toBe(200);
    expect(gateway.models.requests.at(-1)?.inputs[0]?.data.every((byte) => byte === 7)).toBe(true);
  });

  test("of a large JSON body is read in a worker, and keeps its values", async () => {
    const data = Array.from({ length: 60_000 }, (_, index) => index / 8);
    const { json } = await infer("identity_fp32", { inputs: [{ name: "INPUT0", shape: [1, 60_000], datatype: "FP32", data }] });
    expect(json).toMatchObject({ outputs: [{ shape: [1, 60_000], data }] });
    expect((await infer("identity_fp32", { inputs: [{ name: "INPUT0", shape: [1, 2], datatype: "FP32", data }] })).text).toBe(
      `{"error":"Unable to parse 'data': Shape does not match true shape of 'data' field"}`,
    );
  });

  test("of a raw request is the one string that the model takes", async () => {
    const answer = await send("/v2/models/one_string/infer", "hello", { "Inference-Header-Content-Length": "0" });
    expect(answer.json).toMatchObject({ outputs: [{ datatype: "BYTES", shape: [1], parameters: { binary_data_size: 9 } }] });
  });

  test("of half precision goes as binary only, both ways", async () => {
    const half = { name: "INPUT0", shape: [1], datatype: "FP16", parameters: { binary_data_size: 2 } };
    const [asJson, jsonHeaders] = withBinary({ inputs: [half] }, Uint8Array.of(0, 60));
    expect(await send("/v2/models/half/infer", asJson, jsonHeaders)).toMatchObject({
      status: 400,
      json: { error: "sending FP16 data via JSON is not supported. Please use the binary data format for output OUTPUT0" },
    });
    const [asBinary, headers] = withBinary({ inputs: [half], parameters: { binary_data_output: true } }, Uint8Array.of(0, 60));
    expect((await send("/v2/models/half/infer", asBinary, headers)).status).toBe(200);
  });

  test("that the body has too little or too much of is refused", async () => {
    const tensor = { name: "INPUT0", shape: [2], datatype: "INT64", parameters: { binary_data_size: 16 } };
    const [short, shortHeaders] = withBinary({ inputs: [tensor] }, new Uint8Array(12));
    expect((await send("/v2/models/int64/infer", short, shortHeaders)).text).toBe(
      `{"error":"unexpected size for input 'INPUT0', expecting 4 additional bytes for model 'int64'"}`,
    );
    const [long, longHeaders] = withBinary({ inputs: [tensor] }, new Uint8Array(20));
    expect((await send("/v2/models/int64/infer", long, longHeaders)).text).toBe(
      `{"error":"unexpected additional input data for model 'int64'"}`,
    );
  });

  test("classes carry the labels of the model", async () => {
    const outputs = [{ name: "OUTPUT0", parameters: { classification: 5 } }];
    const { json } = await infer("int64", { ...input({ data: [3, 8] }), outputs });
    expect(json).toMatchObject({ outputs: [{ datatype: "BYTES", shape: [2], data: ["8:1:high", "3:0:low"] }] });
  });
});

describe("requests", () => {
  test("pass on headers that the pattern names, as parameters", async () => {
    const request = { ...input({ data: [1, 2] }), parameters: { own: 1, priority: 2, timeout: 500 }, id: "r" };
    await infer("int64", request, { "X-Tag-One": "a", Other: "b", traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` });
    expect(gateway.models.requests.at(-1)).toMatchObject({
      id: "r",
      version: undefined,
      priority: 2,
      timeoutUs: 500,
      traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
      parameters: new Map<string, unknown>([
        ["own", 1n],
        ["X-Tag-One", "a"],
      ]),
    });
  });

  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
  ] as const)("in %s are inflated, their JSON length counted uncompressed", async (encoding, compress) => {
    const [body, headers] = withBinary(input({ parameters: { binary_data_size: 16 } }), new Uint8Array(16));
    const answer = await send("/v2/models/int64/infer", compress(body), { ...headers, "Content-Encoding": encoding });
    expect(answer.json).toMatchObject({ outputs: [{ data: [0, 0] }] });
  });

  test("in an unknown compression are told what is known", async () => {
    const answer = await infer("int64", {}, { "Content-Encoding": "br" });
    expect([answer.status, answer.text, answer.headers.get("accept-encoding")]).toEqual([
      501,
      '{"error":"Unsupported compression type"}',
      "gzip, deflate",
    ]);
    expect(await send("/v2/models/int64/generate", "{}", { "Content-Encoding": "gzip" })).toMatchObject({
      status: 400,
      json: { error: "Unsupported content-encoding, only 'identity' is supported." },
    });
  });

  test("that inflate beyond the limit are refused before they do", async () => {
    const bomb = gzipSync(Buffer.alloc(70_000_000));
    expect(await send("/v2/models/int64/infer", bomb, { "Content-Encoding": "gzip" })).toMatchObject({
      status: 400,
      text:
        '{"error":"Decompressed data size exceeds the maximum allowed value of 67108864 bytes. ' +
        'Use --http-max-input-size to increase the limit."}',
    });
  });

  test("that are refused leave the connection usable", async () => {
    using client = await RawClient.open(gateway.port);
    const post = (path: string, body: string) =>
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    client.send(post("/v2/models/int64/infer", "{"), post("/v2/models/nope/infer", "{}"), post("/v2/models/raises/infer", "{}"));
    client.send(post("/v2/models/int64/infer", JSON.stringify(input({ data: [1, 2] }))));
    let bytes = "";
    while (parseReplies(Buffer.from(bytes, "latin1")).length < 4) bytes += await client.until(/./s);
    expect(parseReplies(Buffer.from(bytes, "latin1")).map(({ status }) => status)).toEqual([500, 404, 500, 200]);
  });

  test.each([
    ["/v2/models/repeat/infer", 501, "HTTP end point doesn't support models with decoupled transaction policy"],
    [
      "/v2/models/int64/versions/99999999999999999999/infer",
      400,
      "failed to get model version from specified version string '99999999999999999999' (details: stol), version should be an integral value > 0",
    ],
    ["/v2/models/int64/versions/x/infer", 404, "Not Found"],
    ["/v2/models/org%2Fname/infer", 404, "Request for unknown model: 'org/name' is not found"],
  ])("to %s are %i", async (path, status, error) => {
    expect(await send(path, "{}")).toMatchObject({ status, json: { error } });
  });
});

describe("system shared memory", () => {
  test("holds inputs and outputs, which then have no data in the answer", async () => {
    const key = `/nereid-test-${randomUUID()}`;
    const path = `/dev/shm${key}`;
    writeFileSync(path, new Uint8Array(BigInt64Array.of(5n, 6n, 0n, 0n).buffer));
    try {
      const register = (name: string, offset: number) =>
        send(`/v2/systemsharedmemory/region/${name}/register`, JSON.stringify({ key, offset, byte_size: 16 }));
      expect([(await register("in", 0)).status, (await register("out", 16)).status, (await register("in", 0)).text]).toEqual([
        200,
        200,
        `{"error":"shared memory region 'in' already in manager"}`,
      ]);
      expect((await send("/v2/systemsharedmemory/status", undefined)).json).toEqual([
        { name: "in", key, offset: 0, byte_size: 16 },
        { name: "out", key, offset: 16, byte_size: 16 },
      ]);
      const region = (name: string, bytes: number) => ({ shared_memory_region: name, shared_memory_byte_size: bytes });
      const request = (bytes: number) => ({
        ...input({ parameters: region("in", 16) }),
        outputs: [{ name: "OUTPUT0", parameters: region("out", bytes) }],
      });
      expect((await infer("int64", request(16))).text).toBe(
        '{"model_name":"int64","model_version":"1","outputs":[{"name":"OUTPUT0","datatype":"INT64","shape":[2]}]}',
      );
      expect([...new BigInt64Array(new Uint8Array(readFileSync(path)).buffer)]).toEqual([5n, 6n, 5n, 6n]);
      expect(await infer("int64", request(8))).toMatchObject({
        status: 500,
        text:
          `{"error":"shared memory size specified with the request for output 'OUTPUT0' (8 bytes) should be at least 16 bytes ` +
          'to hold the results"}',
      });
      expect((await send("/v2/systemsharedmemory/unregister", "")).status).toBe(200);
      expect((await infer("int64", request(16))).text).toBe(`{"error":"Unable to find shared memory region: 'in'"}`);
    } finally {
      rmSync(path);
    }
  });

  test("needs a name, a key and a size", async () => {
    const register = (body: string, name = "/region/r") => send(`/v2/systemsharedmemory${name}/register`, body);
    expect((await register("{}", "")).text).toBe(`{"error":"'region name' is necessary to register system shared memory region"}`);
    expect((await register("{}")).text).toBe(`{"error":"Shared memory register request has no 'key' field"}`);
    expect((await register('{"key":"/x"}')).text).toBe(`{"error":"Shared memory register request has no 'byte_size' field"}`);
  });

  test("is refused where it is not allowed, and still named among the extensions", async () => {
    await using closed = await startKserve({ allowClientShm: false });
    const refused = '{"error":"Client shared memory is disabled. Start the server with \'--allow-client-shm=true\' to enable."}';
    for (const kind of ["systemsharedmemory", "cudasharedmemory"]) {
      const answer = await fetch(`${closed.url}/v2/${kind}/region/r/register`, { method: "POST", body: '{"key":"/x","byte_size":1}' });
      expect([answer.status, await answer.text()]).toEqual([501, refused]);
    }
    expect(await (await fetch(`${closed.url}/v2`)).json()).toMatchObject({ extensions: expect.arrayContaining(["system_shared_memory"]) });
  });

  test("of CUDA is answered as without a GPU", async () => {
    expect(await send("/v2/cudasharedmemory/region/r/register", "{}")).toMatchObject({
      status: 400,
      json: { error: "failed to register CUDA shared memory region: 'r', GPUs not supported" },
    });
    expect((await send("/v2/cudasharedmemory/region/r/unregister", "")).status).toBe(200);
    expect((await send("/v2/cudasharedmemory/region/r/status", undefined)).status).toBe(404);
  });
});

describe("generate", () => {
  test("takes keys for inputs, and answers in one flat object", async () => {
    const { text } = await send("/v2/models/add_sub/generate", '{"INPUT0":[1,2,3,4],"INPUT1":[1,1,1,1],"id":"q","tag":"x"}');
    expect(text).toBe('{"OUTPUT0":[2.0,3.0,4.0,5.0],"OUTPUT1":[0.0,1.0,2.0,3.0],"id":"q","model_name":"add_sub","model_version":"1"}');
    expect(gateway.models.requests.at(-1)?.parameters).toEqual(new Map([["tag", "x"]]));
  });

  test("streams one event, or keeps the status of what fails before it", async () => {
    const stream = await send("/v2/models/one_string/generate_stream", '{"INPUT0":"ü"}');
    expect([stream.headers.get("content-type"), stream.text]).toEqual([
      "text/event-stream; charset=utf-8",
      'data: {"OUTPUT0":"ü","model_name":"one_string","model_version":"1"}\n\n',
    ]);
    const failed = await send("/v2/models/raises/generate_stream", '{"INPUT0":[1]}');
    expect([failed.status, failed.headers.get("content-type")]).toEqual([500, "application/json"]);
  });
});

describe("settings", () => {
  test("of traces are the model's own, until null clears them", async () => {
    const post = async (path: string, body: object) => (await send(path, JSON.stringify(body))).json;
    expect(await post("/v2/models/int64/trace/setting", { trace_level: ["TIMESTAMPS"], trace_rate: "7" })).toMatchObject({
      trace_level: ["TIMESTAMPS"],
      trace_rate: "7",
    });
    expect((await send("/v2/trace/setting", undefined)).json).toMatchObject({ trace_level: ["OFF"], trace_rate: "1000" });
    expect(await post("/v2/models/int64/trace/setting", { trace_rate: null })).toMatchObject({
      trace_level: ["TIMESTAMPS"],
      trace_rate: "1000",
    });
    expect(await send("/v2/trace/setting", '{"trace_file":"/x"}')).toMatchObject({
      status: 501,
      json: { error: "trace file location can not be updated through network protocol" },
    });
    expect(await send("/v2/models/nope/trace/setting", undefined)).toMatchObject({
      status: 400,
      json: { error: "Request for unknown model : nope" },
    });
    expect((await send("/v2/models/int64/versions/1/trace/setting", undefined)).status).toBe(404);
  });

  test("of logs come back whole", async () => {
    const { text } = await send("/v2/logging", '{"log_verbose_level":3,"log_info":false,"log_error":null}');
    expect(text).toBe('{"log_file":"","log_info":false,"log_warning":true,"log_error":true,"log_verbose_level":3,"log_format":"default"}');
    expect(await send("/v2/logging", '{"log_info":5}')).toMatchObject({
      status: 500,
      json: { error: "attempt to access JSON non-boolean as boolean" },
    });
  });
});

describe("model control", () => {
  test("passes on a configuration and files, and whether dependents go too", async () => {
    const models = new ScriptedModels({ mode: "explicit" });
    await using explicit = await startKserve({ models });
    const post = (path: string, body: object) =>
      fetch(`${explicit.url}/v2/repository/models/${path}`, { method: "POST", body: JSON.stringify(body) });
    const parameters = { config: '{"max_batch_size":3}', "file:1/model.py": Buffer.from("x").toString("base64") };
    expect((await post("identity_fp32/load", { parameters })).status).toBe(200);
    expect((await post("ens/unload", { parameters: { unload_dependents: true } })).status).toBe(200);
    expect(models.loads).toEqual([
      { name: "identity_fp32", overrides: { config: parameters.config, files: new Map([["1/model.py", Uint8Array.of(120)]]) } },
    ]);
    expect(models.unloads).toEqual([{ name: "ens", dependents: true }]);
    const wrong = await post("ens/unload", { parameters: { unload_dependents: 1 } });
    expect([wrong.status, await wrong.text()]).toEqual([
      500,
      `{"error":"Unable to parse 'unload_dependents': attempt to access JSON non-boolean as boolean"}`,
    ]);
  });

  test("says that `ready` is a boolean", async () => {
    expect(await send("/v2/repository/index", '{"ready":1}')).toMatchObject({
      status: 400,
      json: { error: "Invalid value for 'ready': expected a boolean" },
    });
  });
});
