/** Triton's subtle behaviors over HTTP (test/golden/traps.md), against `nereid up` with real models. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ModelCluster, startModelCluster } from "../cluster/whole-models/model-cluster.ts";
import { ModelRepository } from "../cluster/whole-models/model-repository.ts";
import { type ModelDtype, OnnxModel } from "../models/onnx-model.ts";
import { addSub, identity } from "../models/small-models.ts";
import { parseReplies } from "./http-reply.ts";
import { RawClient } from "./raw-client.ts";

const ONE = "instance_group { count: 1 kind: KIND_CPU }";
const HEADER = "inference-header-content-length";

/** B = A, D = C, two inputs and two outputs of a datatype. */
const twoWays = (dtype: ModelDtype) =>
  new OnnxModel()
    .input("A", dtype, ["batch", "n"])
    .input("C", dtype, ["batch", "n"])
    .output("B", dtype, ["batch", "n"])
    .output("D", dtype, ["batch", "n"])
    .node({ op: "Identity", inputs: ["A"], outputs: ["B"] })
    .node({ op: "Identity", inputs: ["C"], outputs: ["D"] })
    .finish();

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  for (const dtype of ["f32", "i32", "i64", "f16", "bf16", "string"] as const) {
    repository.put(`identity_${dtype}`, { "1/model.onnx": identity(dtype, ["a", "b"]), "config.pbtxt": ONE });
  }
  repository
    .put("add_sub", { "1/model.onnx": addSub(), "config.pbtxt": ONE })
    .put("two", { "1/model.onnx": twoWays("f32"), "config.pbtxt": ONE })
    .put("raw", { "1/model.onnx": identity("f32", ["batch", "n"]), "config.pbtxt": ONE })
    .put("stats", { "1/model.onnx": addSub(), "2/model.onnx": addSub(), "config.pbtxt": ONE })
    .put("batched", { "1/model.onnx": identity("string", ["batch", 1]), "config.pbtxt": `max_batch_size: 8 ${ONE}` });
  cluster = await startModelCluster(repository.folder, { "--nodes": "1" });
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

async function post(path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${cluster.url}/v2/models/${path}`, { method: "POST", body, headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

interface Output {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly unknown[];
  readonly parameters?: { readonly binary_data_size?: number };
}

interface InferJson {
  readonly model_version: string;
  readonly outputs: readonly Output[];
}

const infer = (model: string, body: unknown) => post(`${model}/infer`, JSON.stringify(body));
const input = (datatype: string, shape: readonly number[], data: unknown, name = "INPUT0") => ({ name, datatype, shape, data });

async function outputs(model: string, body: unknown): Promise<readonly Output[]> {
  const { status, text } = await infer(model, body);
  expect(status, text).toBe(200);
  const answer: InferJson = JSON.parse(text);
  return answer.outputs;
}

const errorOf = ({ status, text }: Answer): readonly [number, string] => {
  const said: { readonly error: string } = JSON.parse(text);
  return [status, said.error];
};

/** JSON and what follows it, of an answer in binary. */
async function binaryAnswer(path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) {
  const response = await fetch(`${cluster.url}/v2/models/${path}`, { method: "POST", body, headers });
  const bytes = Buffer.from(await response.arrayBuffer());
  const jsonBytes = Number(response.headers.get(HEADER) ?? bytes.length);
  const json: InferJson = JSON.parse(bytes.subarray(0, jsonBytes).toString());
  return { status: response.status, json, blobs: bytes.subarray(jsonBytes) };
}

test("Body `{` to infer → 500 (not 400); the message starts with `failed to parse the request JSON buffer`.", async () => {
  const [status, text] = errorOf(await post("add_sub/infer", "{"));
  expect(status).toBe(500);
  expect(text).toMatch(/^failed to parse the request JSON buffer/);
});

test('`{"inputs":5}` → 500 with `attempt to access JSON non-array as array`; missing `inputs` key → 500 naming the key.', async () => {
  expect(errorOf(await infer("add_sub", { inputs: 5 }))).toEqual([
    500,
    expect.stringContaining("attempt to access JSON non-array as array"),
  ]);
  expect(errorOf(await infer("add_sub", {}))).toEqual([500, expect.stringContaining("'inputs'")]);
});

test("Nested `data` `[[1,2],[3,4]]`, flat `[1,2,3,4]` and partly nested data for shape [2,2] → identical results; the response is always flat.", async () => {
  for (const data of [
    [
      [1, 2],
      [3, 4],
    ],
    [1, 2, 3, 4],
    [[1, 2], 3, 4],
  ]) {
    const [only] = await outputs("identity_i32", { inputs: [input("INT32", [2, 2], data)] });
    expect(only).toMatchObject({ shape: [2, 2], data: [1, 2, 3, 4] });
  }
});

test("FP32 value 0.1 in a JSON output → printed as the widened double (0.10000000149011612); INT64 beyond 2^53 → no loss (it must not go through a JavaScript number).", async () => {
  expect((await infer("identity_f32", { inputs: [input("FP32", [1, 1], [0.1])] })).text).toContain('"data":[0.10000000149011612]');
  const exact = ["9007199254740993", "-9223372036854775808", "9223372036854775807"];
  const body = `{"inputs":[{"name":"INPUT0","datatype":"INT64","shape":[1,3],"data":[${exact.join(",")}]}]}`;
  expect((await post("identity_i64/infer", body)).text).toContain(`"data":[${exact.join(",")}]`);
});

test("JSON tokens NaN and Infinity → accepted in `data` and produced in outputs (`JSON.parse` fails on them).", async () => {
  const body = '{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,3],"data":[NaN,Infinity,-Infinity]}]}';
  const { status, text } = await post("identity_f32/infer", body);
  expect(status, text).toBe(200);
  expect(text).toContain('"data":[NaN,Infinity,-Infinity]');
  expect(() => JSON.parse(text)).toThrow();
});

test("An output listed in `outputs` without parameters while the request has `binary_data_output:true` → that output is JSON; outputs not listed → binary.", async () => {
  const inputs = [input("FP32", [1, 1], [1], "A"), input("FP32", [1, 1], [2], "C")];
  const parameters = { binary_data_output: true };
  const listed = await binaryAnswer("two/infer", JSON.stringify({ inputs, parameters, outputs: [{ name: "B" }] }));
  expect(listed.json.outputs).toEqual([{ name: "B", datatype: "FP32", shape: [1, 1], data: [1] }]);
  const unlisted = await binaryAnswer("two/infer", JSON.stringify({ inputs, parameters }));
  expect(unlisted.json.outputs.map((output) => output.parameters?.binary_data_size)).toEqual([4, 4]);
});

test("Order of binary outputs → equals the `outputs` array of the response JSON; zero-byte outputs carry `binary_data_size: 0`.", async () => {
  const inputs = [input("FP32", [1, 1], [1], "A"), input("FP32", [1, 2], [2, 3], "C")];
  const body = { inputs, parameters: { binary_data_output: true } };
  const { json, blobs } = await binaryAnswer("two/infer", JSON.stringify(body));
  const values: Record<string, readonly number[]> = { B: [1], D: [2, 3] };
  const wanted = json.outputs.flatMap(({ name }) => values[name] ?? []);
  expect([...new Float32Array(new Uint8Array(blobs).buffer)]).toEqual(wanted);
  const none = { inputs: [input("FP32", [1, 0], [], "A"), input("FP32", [1, 0], [], "C")], parameters: { binary_data_output: true } };
  const empty = await binaryAnswer("two/infer", JSON.stringify(none));
  expect(empty.json.outputs.map((output) => output.parameters?.binary_data_size)).toEqual([0, 0]);
  expect(empty.blobs.length).toBe(0);
});

test('`Inference-Header-Content-Length: 0` → raw binary tensor, not "no JSON".', async () => {
  const { status, json, blobs } = await binaryAnswer("raw/infer", new Uint8Array(Float32Array.of(1, 2, 3).buffer), { [HEADER]: "0" });
  expect(status).toBe(200);
  expect(json.outputs).toEqual([{ name: "OUTPUT0", datatype: "FP32", shape: [1, 3], parameters: { binary_data_size: 12 } }]);
  expect([...new Float32Array(new Uint8Array(blobs).buffer)]).toEqual([1, 2, 3]);
});

test('BYTES `["", "\\u0000a"]` → survives JSON and binary encoding; a trailing incomplete length prefix → 400.', async () => {
  const strings = ["", "\u0000a"];
  const [only] = await outputs("identity_string", { inputs: [input("BYTES", [1, 2], strings)] });
  expect(only?.data).toEqual(strings);
  const elements = Buffer.from("\x00\x00\x00\x00\x02\x00\x00\x00\x00a", "latin1");
  const withBytes = (bytes: Buffer) => {
    const head = JSON.stringify({
      inputs: [{ name: "INPUT0", datatype: "BYTES", shape: [1, 2], parameters: { binary_data_size: bytes.length } }],
      outputs: [{ name: "OUTPUT0", parameters: { binary_data: true } }],
    });
    return binaryAnswer("identity_string/infer", Buffer.concat([Buffer.from(head), bytes]), { [HEADER]: String(head.length) });
  };
  expect((await withBytes(elements)).blobs).toEqual(elements);
  expect((await withBytes(Buffer.from("\x00\x00\x00\x00\x02\x00", "latin1"))).status).toBe(400);
});

test("FP16 or BF16 input with JSON `data` → 400; requesting an FP16 output as JSON → 400 (after execution); binary works.", async () => {
  for (const [model, datatype] of [
    ["identity_f16", "FP16"],
    ["identity_bf16", "BF16"],
  ] as const) {
    expect(errorOf(await infer(model, { inputs: [input(datatype, [1, 1], [1])] }))).toEqual([
      400,
      expect.stringContaining(`receiving ${datatype} data via JSON is not supported`),
    ]);
    const send = (binary: boolean) => {
      const head = JSON.stringify({
        inputs: [{ name: "INPUT0", datatype, shape: [1, 1], parameters: { binary_data_size: 2 } }],
        outputs: [{ name: "OUTPUT0", parameters: { binary_data: binary } }],
      });
      return binaryAnswer(`${model}/infer`, Buffer.concat([Buffer.from(head), Buffer.of(0x80, 0x3f)]), { [HEADER]: String(head.length) });
    };
    const ran = async () => (await cluster.statistics(model)).inferenceCount;
    const before = await ran();
    expect((await send(false)).status).toBe(400);
    expect(await ran()).toBe(before + 1n);
    expect(await send(true)).toMatchObject({ status: 200, blobs: Buffer.of(0x80, 0x3f) });
  }
});

test("`Accept-Encoding: deflate;q=0.5, gzip;q=0.9` → gzip; `Accept-Encoding: *` → identity.", async () => {
  const body = JSON.stringify({ inputs: [input("INT32", [1, 1], [1])] });
  const encoded = async (accept: string) => {
    using client = await RawClient.open(Number(new URL(cluster.url).port));
    const head = `POST /v2/models/identity_i32/infer HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: ${accept}\r\nContent-Length: ${body.length}\r\n\r\n`;
    client.send(head + body);
    const said = await client.until(/\r\n\r\n/);
    return /content-encoding: (\w+)/i.exec(said)?.[1];
  };
  expect(await encoded("deflate;q=0.5, gzip;q=0.9")).toBe("gzip");
  expect(await encoded("*")).toBeUndefined();
});

test("`Content-Encoding: br` → 501 and an `Accept-Encoding` response header.", async () => {
  const { status, headers } = await post("identity_i32/infer", "x", { "content-encoding": "br" });
  expect([status, headers.get("accept-encoding")]).toEqual([501, "gzip, deflate"]);
});

test("`/v2/models/stats` → statistics of all models, even though `stats` could be a model name.", async () => {
  const all: { readonly model_stats: readonly { readonly name: string }[] } = JSON.parse(
    await (await fetch(`${cluster.url}/v2/models/stats`)).text(),
  );
  expect(all.model_stats.map(({ name }) => name)).toEqual(expect.arrayContaining(["add_sub", "raw", "stats"]));
});

test("Unknown `parameters` key with an object value → 400 invalid type; `triton_foo` → 400 reserved.", async () => {
  const inputs = [input("INT32", [1, 1], [1])];
  expect(errorOf(await infer("identity_i32", { inputs, parameters: { mine: {} } }))).toEqual([
    400,
    expect.stringContaining("has invalid type"),
  ]);
  expect(errorOf(await infer("identity_i32", { inputs, parameters: { triton_foo: 1 } }))).toEqual([
    400,
    expect.stringContaining("reserved"),
  ]);
});

test("`model_version` in the response → the version that ran, as a string, also when none was requested.", async () => {
  const inputs = ["INPUT0", "INPUT1"].map((name) => input("FP32", [4], [1, 2, 3, 4], name));
  expect((await infer("stats", { inputs })).text).toContain('"model_version":"2"');
  expect((await infer("stats/versions/2", { inputs })).text).toContain('"model_version":"2"');
});

test('Classification of `[1,5,10,4]` FP32, k=2 → `["10.000000:2","5.000000:1"]`; k larger than the number of classes → clamped; INT32 output → `10:2`.', async () => {
  const classes = async (model: string, datatype: string, classification: number) => {
    const [only] = await outputs(model, {
      inputs: [input(datatype, [1, 4], [1, 5, 10, 4])],
      outputs: [{ name: "OUTPUT0", parameters: { classification } }],
    });
    return only?.data;
  };
  expect(await classes("identity_f32", "FP32", 2)).toEqual(["10.000000:2", "5.000000:1"]);
  expect(await classes("identity_f32", "FP32", 9)).toHaveLength(4);
  expect((await classes("identity_i32", "INT32", 1))?.[0]).toBe("10:2");
});

test('generate with `{"text_input":"a"}` for dims [1] with batching → shape [1,1]; scalar outputs are unwrapped; unknown keys become parameters; `parameters:[1]` → 400.', async () => {
  const generated = await post("batched/generate", '{"INPUT0":"a","unknown":1}');
  expect([generated.status, JSON.parse(generated.text)]).toEqual([200, { model_name: "batched", model_version: "1", OUTPUT0: "a" }]);
  expect(errorOf(await post("batched/generate", '{"INPUT0":"a","unknown":{}}'))[0]).toBe(400);
  expect(errorOf(await post("batched/generate", '{"INPUT0":"a","parameters":[1]}'))).toEqual([
    400,
    "Expected JSON object for keyword: 'parameters'",
  ]);
});

test("Keep-alive connection after 4xx and 5xx answers → stays usable (except after the chunk limit); pipelined requests → answered in order.", async () => {
  using client = await RawClient.open(Number(new URL(cluster.url).port));
  const request = (path: string, body: string) =>
    `POST /v2/models/${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const good = (value: number) => request("identity_i32/infer", JSON.stringify({ inputs: [input("INT32", [1, 1], [value])] }));
  client.send(
    request("nobody/infer", "{}"),
    request("identity_i32/infer", "{"),
    good(1),
    good(2),
    "GET /v2/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
    good(3),
  );
  const replies = parseReplies(Buffer.from(await client.until(/"data":\[3\]/), "latin1"));
  expect(replies.map(({ status }) => status)).toEqual([404, 500, 200, 200, 404, 200]);
  expect(replies.flatMap(({ body }) => /"data":\[(\d)\]/.exec(body.toString())?.[1] ?? [])).toEqual(["1", "2", "3"]);
});
