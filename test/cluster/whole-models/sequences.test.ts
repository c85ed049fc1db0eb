/** Stateful models over the doors, with real processes and real clients: controls, implicit state, and Triton's texts. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../../client/client.ts";
import { GrpcClient } from "../../../client/grpc/grpc-client.ts";
import type { InferRequest, SequenceStep } from "../../../client/infer-request.ts";
import { rawTensor, tensor } from "../../../client/tensor-input.ts";
import type { Dtype } from "../../../core/tensor/dtype.ts";
import type { ModelDtype } from "../../models/onnx-model.ts";
import { accumulate, delayed } from "../../models/small-models.ts";
import { pythonJson } from "../../support/python.ts";
import { type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const SCRIPTS = ["sequence_client.py", "expected_outputs.py"].map((name) => fileURLToPath(new URL(name, import.meta.url)));
const VOICE_MODELS = path.dirname(fileURLToPath(import.meta.resolve("@ricky0123/vad-web")));
const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";

const control = (name: string, kind: string, values: string) =>
  `{ name: "${name}" control [ { kind: CONTROL_SEQUENCE_${kind} ${values} } ] }`;
const controls = (corrid: string) => `control_input [ ${control("START", "START", "int32_false_true: [0, 1]")},
  ${control("READY", "READY", "int32_false_true: [0, 1]")}, ${control("END", "END", "int32_false_true: [0, 10]")},
  ${control("CORRID", "CORRID", `data_type: ${corrid}`)} ]
  state { input_name: "INPUT_STATE" output_name: "OUTPUT_STATE" data_type: TYPE_INT32 dims: [1] }`;
const adding = (strategy: string, corrid: "u64" | "u32" | "string" = "u64") => {
  const type = { u64: "TYPE_UINT64", u32: "TYPE_UINT32", string: "TYPE_STRING" }[corrid];
  const text = `max_batch_size: 4 ${ONE_INSTANCE} sequence_batching { ${strategy} ${controls(type)} }`;
  return { "1/model.onnx": accumulate(corrid), "config.pbtxt": text };
};
const delaying = (dtype: ModelDtype, type: string, more = "", rest = "") => ({
  "1/model.onnx": delayed(dtype),
  "config.pbtxt": `max_batch_size: 2 ${ONE_INSTANCE} ${rest} sequence_batching { oldest { max_candidate_sequences: 2 }
    state { input_name: "STATE" output_name: "NEXT_STATE" data_type: ${type} dims: [-1] use_same_buffer_for_input_output: true ${more} } }`,
});

const VALUES = {
  FP32: [[1.5, -2], [3]],
  INT64: [[5n], [-7n, 2n ** 62n, 3n]],
  BOOL: [[true, false], [false]],
  UINT8: [[255], [1, 2]],
  FP64: [[0.1, 0.2], [0.3]],
  BYTES: [["an", "Ångström"], [""]],
} as const;
const MODEL_DTYPES = { FP32: "f32", INT64: "i64", BOOL: "bool", UINT8: "u8", FP64: "f64", BYTES: "string" } as const;

const repository = new ModelRepository();
let cluster: ModelCluster;
let grpc: GrpcClient;

beforeAll(async () => {
  repository
    .put("direct", adding("direct { }"))
    .put("oldest", adding("oldest { max_candidate_sequences: 4 }"))
    .put("named", adding("direct { }", "string"))
    .put("narrow", adding("direct { }", "u32"))
    .put("delayed_file", {
      ...delaying("f32", "TYPE_FP32", 'initial_state: { name: "start" data_type: TYPE_FP32 dims: [2] data_file: "start.bin" }'),
      "initial_state/start.bin": new Uint8Array(Float32Array.of(0.5, 0.25).buffer),
    })
    .put("delayed_shown", delaying("f32", "TYPE_FP32", "", 'output [ { name: "PREVIOUS" }, { name: "NEXT_STATE" } ]'));
  for (const [dtype, name] of Object.entries(MODEL_DTYPES))
    repository.put(`delayed_${dtype}`, delaying(name, `TYPE_${dtype === "BYTES" ? "STRING" : dtype}`));
  const state = (input: string, output: string, dims: string) =>
    `state { input_name: "${input}" output_name: "${output}" data_type: TYPE_FP32 dims: [${dims}] }`;
  const voices = {
    silero_vad_v5: state("state", "stateN", "2, 1, 128"),
    silero_vad_legacy: `${state("h", "hn", "2, 1, 64")} ${state("c", "cn", "2, 1, 64")}`,
  };
  for (const [name, states] of Object.entries(voices))
    repository.put(name, {
      "1/model.onnx": readFileSync(path.join(VOICE_MODELS, `${name}.onnx`)),
      "config.pbtxt": `${ONE_INSTANCE} sequence_batching { max_sequence_idle_microseconds: 60000000 ${states} }`,
    });
  cluster = await startModelCluster(repository.folder);
  grpc = new GrpcClient(cluster.grpcAddress);
});

afterAll(async () => {
  await grpc?.close();
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const addingStep = (model: string, value: number, sequence: SequenceStep): InferRequest => ({
  model,
  inputs: [tensor("INPUT", "INT32", [1, 1], [value])],
  sequence,
});

const doors = { http: (): Client => cluster.client, grpc: (): Client => grpc };

describe.each(["direct", "oldest"])("a model with the %s strategy", (model) => {
  test.each(["http", "grpc"] as const)("goes on from step to step over %s, with its controls", async (door) => {
    const send = async (value: number, flags: Omit<SequenceStep, "id">) => {
      const { outputs } = await doors[door]().infer(addingStep(model, value, { id: 7n, ...flags }));
      return Object.fromEntries(outputs.map(({ name, data }) => [name, Number(Array.from<unknown>(data)[0])]));
    };
    expect(await send(5, { start: true })).toEqual({ OUTPUT: 5, CONTROLS: 1, CORRID_SEEN: 7 });
    expect(await send(6, {})).toEqual({ OUTPUT: 11, CONTROLS: 1, CORRID_SEEN: 7 });
    expect(await send(1, { end: true })).toEqual({ OUTPUT: 12, CONTROLS: 11, CORRID_SEEN: 7 });
  });

  test("keeps the order of a gRPC stream, whichever sequences share it", async () => {
    const [ids, steps] = [[1n, 2n, 3n, 4n, 5n, 6n], 20];
    await using stream = await grpc.openStream();
    const sent = (async () => {
      for (let step = 1; step <= steps; step++)
        for (const id of ids)
          await stream.send({ ...addingStep(model, step, { id, start: step === 1, end: step === steps }), id: String(id) });
      stream.end();
    })();
    const sums = new Map<string, number[]>();
    for await (const item of stream) {
      if (item.kind === "failure") throw item.error;
      const { id, outputs } = item.result;
      sums.set(id, [...(sums.get(id) ?? []), Number(outputs.find(({ name }) => name === "OUTPUT")?.as("INT32")[0])]);
    }
    await sent;
    const wanted = Array.from({ length: steps }, (_, index) => ((index + 1) * (index + 2)) / 2);
    expect(sums).toEqual(new Map(ids.map((id) => [String(id), wanted])));
  });
});

describe.each(Object.keys(VALUES) as (keyof typeof VALUES)[])("a state of %s", (dtype) => {
  test("comes back in the next step as it was, whatever its shape, and is no output of the model", async () => {
    const model = `delayed_${dtype}`;
    const send = async (values: readonly unknown[], sequence: SequenceStep) => {
      const { outputs } = await cluster.client.infer({ model, inputs: [elements(dtype, values)], sequence });
      return outputs.map(({ name, shape, data }) => [name, shape, Array.from<unknown>(data).map(plain)]);
    };
    const [first, second] = VALUES[dtype].map((values) => values.map(plain));
    if (first === undefined || second === undefined) throw new Error("two steps have values");
    const zero = { INT64: 0n, BYTES: "" }[dtype as string] ?? 0;
    expect(await send(first, { id: 1n, start: true })).toEqual([["PREVIOUS", [1, 1], [zero]]]);
    expect(await send(second, { id: 1n })).toEqual([["PREVIOUS", [1, first.length], first]]);
    expect(await send(first, { id: 1n, end: true })).toEqual([["PREVIOUS", [1, second.length], second]]);
  });
});

/** Booleans as the client gives them, strings as texts. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  return typeof value === "boolean" ? Number(value) : value;
}

function elements(dtype: Dtype, values: readonly unknown[]) {
  // The values were written for this datatype.
  return tensor("INPUT", dtype as "FP32", [1, values.length], values as readonly number[]);
}

describe("implicit state", () => {
  const send = (model: string, outputs?: InferRequest["outputs"]) =>
    cluster.client.infer({
      model,
      inputs: [tensor("INPUT", "FP32", [1, 1], [9])],
      sequence: { id: 1n, start: true },
      ...(outputs !== undefined && { outputs }),
    });

  test("begins with what a file says", async () => {
    expect([...(await send("delayed_file")).output("PREVIOUS").as("FP32")]).toEqual([0.5, 0.25]);
  });

  test("is shown where it is an output, too", async () => {
    const { outputs } = await send("delayed_shown");
    expect(outputs.map(({ name, data }) => [name, Array.from<unknown>(data)])).toEqual([
      ["PREVIOUS", [0]],
      ["NEXT_STATE", [9]],
    ]);
  });

  test("cannot be asked for where it is none", async () => {
    await expect(send("delayed_FP32", [{ name: "NEXT_STATE" }])).rejects.toMatchObject({
      message: "unexpected inference output 'NEXT_STATE' for model 'delayed_FP32'",
    });
  });
});

test("a narrow correlation id control gets the low bits", async () => {
  const result = await cluster.client.infer(addingStep("narrow", 1, { id: 2n ** 40n + 5n, start: true, end: true }));
  expect(result.output("CORRID_SEEN").as("UINT32")[0]).toBe(5);
});

test.each(["http", "grpc"] as const)("R46: ids beside 2^53 and at 2^64 are sequences of their own over %s", async (door) => {
  const ids = [2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n, 2n ** 64n - 2n];
  const sum = async (id: bigint, value: number, flags: Omit<SequenceStep, "id"> = {}) =>
    (await doors[door]().infer(addingStep("oldest", value, { id, ...flags }))).output("OUTPUT").as("INT32")[0];
  for (const [index, id] of ids.entries()) expect(await sum(id, index + 1, { start: true })).toBe(index + 1);
  for (const [index, id] of ids.entries()) expect(await sum(id, 10, { end: true })).toBe(index + 11);
});

test("R46: an id that is no 64-bit integer is refused, never taken for another one", async () => {
  for (const id of ["18446744073709551616", "1e30", "1.5", "-1", "9007199254740993.0"]) {
    const input = '{"name":"INPUT","datatype":"INT32","shape":[1,1],"data":[5]}';
    const body = `{"inputs":[${input}],"parameters":{"sequence_id":${id},"sequence_start":true,"sequence_end":true}}`;
    const answer = await fetch(`${cluster.url}/v2/models/direct/infer`, { method: "POST", body });
    expect(await answer.text(), id).toMatch(/"error":"[^"]*sequence_id/);
    expect([400, 500], "Triton's own for what is no integer").toContain(answer.status);
  }
});

test("a step that a client sends again under its Idempotency-Key is applied once", async () => {
  const send = async (key: string, parameters: Readonly<Record<string, unknown>>) => {
    const inputs = [{ name: "INPUT", datatype: "INT32", shape: [1, 1], data: [5] }];
    const body = JSON.stringify({ inputs, outputs: [{ name: "OUTPUT" }], parameters: { sequence_id: 77, ...parameters } });
    const headers = { "idempotency-key": key };
    const answer = await fetch(`${cluster.url}/v2/models/direct/infer`, { method: "POST", body, headers });
    return /"data":\[(\d+)\]/.exec(await answer.text())?.[1];
  };
  const sums = [
    await send("a", { sequence_start: true }),
    await send("b", {}),
    await send("b", {}),
    await send("c", { sequence_end: true }),
  ];
  const again = await send("c", { sequence_end: true });
  expect([...sums, again]).toEqual(["5", "10", "10", "15", "15"]);
});

test("rows without a request are no inferences", async () => {
  const before = await cluster.statistics("direct");
  await Promise.all([51n, 52n, 53n].map((id) => cluster.client.infer(addingStep("direct", 1, { id, start: true }))));
  await cluster.client.infer(addingStep("direct", 1, { id: 53n, end: true }));
  const after = await cluster.statistics("direct");
  expect(after.inferenceCount - before.inferenceCount).toBe(4n);
  expect(after.executionCount - before.executionCount).toBeLessThanOrEqual(4n);
});

describe.each(["http", "grpc"] as const)("tritonclient.%s", (protocol) => {
  test("finds here what it finds there", async () => {
    const [script = ""] = SCRIPTS;
    const address = protocol === "http" ? cluster.url.replace("http://", "") : cluster.grpcAddress;
    const results: Record<string, unknown> = Object(await pythonJson(script, [protocol, address]));
    const sums = [11, 100, 18, 101, 21].map((sum, place) => [sum, place % 2 === 0 ? 1001 : 1002]);
    expect(results).toMatchObject({ direct: sums, oldest: sums });
    expect(results["named"]).toEqual([
      [4, "audio-7"],
      [9, "audio-7"],
    ]);
    const start = (id: number, model: string) =>
      `inference request for sequence ${id} to model '${model}' must specify the START flag on the first request of the sequence`;
    expect(results["errors"]).toEqual({
      "no start": start(2001, "direct"),
      "no id": "inference request to model 'direct' must specify a non-zero or non-empty correlation ID",
      "wrong kind":
        "[request id: <id_unknown>] sequence batching control 'CORRID' data-type is 'BYTES', but model 'direct' expects 'UINT64'",
      ended: start(1001, "oldest"),
    });
    if (protocol === "http") return;
    const streamed = [31, 32, 33].map((id) => [String(id), Array.from({ length: 10 }, (_, index) => ((index + 1) * (index + 2) * id) / 2)]);
    expect(results["streamed"]).toEqual(Object.fromEntries(streamed));
  });
});

interface Voice {
  readonly steps: readonly { readonly piece: { readonly shape: readonly number[]; readonly data: string }; readonly probability: number }[];
}

describe("Silero's voice detector with its state kept by the server", () => {
  test.each(["silero_vad_v5", "silero_vad_legacy"])("%s hears the same as in Python with an explicit one", async (model) => {
    const voice: Voice = Object(await pythonJson(SCRIPTS[1] ?? "", ["voice", path.join(VOICE_MODELS, `${model}.onnx`)]));
    const [rate] = (await cluster.client.modelMetadata(model)).inputs.filter(({ name }) => name === "sr");
    const sr = rawTensor("sr", "INT64", rate?.shape ?? [], new Uint8Array(BigInt64Array.of(16_000n).buffer));
    const last = voice.steps.length - 1;
    const requests = (id: string) =>
      voice.steps.map(({ piece }, place): InferRequest => {
        const input = rawTensor("input", "FP32", piece.shape, new Uint8Array(Buffer.from(piece.data, "base64")));
        return { model, inputs: [input, sr], sequence: { id, start: place === 0, end: place === last } };
      });
    const heard: Record<string, number[]> = { http: [], grpc: [], stream: [] };
    for (const door of ["http", "grpc"] as const)
      for (const request of requests(door)) heard[door]?.push((await doors[door]().infer(request)).output("output").as("FP32")[0] ?? 0);
    await using stream = await grpc.openStream();
    const sent = (async () => {
      for (const request of requests("stream")) await stream.send(request);
      stream.end();
    })();
    for await (const item of stream) {
      if (item.kind === "failure") throw item.error;
      heard["stream"]?.push(item.result.output("output").as("FP32")[0] ?? 0);
    }
    await sent;
    for (const got of Object.values(heard)) {
      expect(got).toHaveLength(voice.steps.length);
      for (const [place, { probability }] of voice.steps.entries()) expect(got[place]).toBeCloseTo(probability, 4);
    }
    expect(heard["grpc"]).toEqual(heard["http"]);
    expect(heard["stream"]).toEqual(heard["http"]);
  });
});
