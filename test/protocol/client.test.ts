/** What the package's clients do alike over HTTP and gRPC, against the real doors over scripted models. */
import { rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../client/client.ts";
import { sharedTensor, tensor } from "../../client/tensor-input.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { CLIENT_KINDS, type ClientDoors, startClientDoors } from "./client-doors.ts";

let doors: ClientDoors;

beforeAll(async () => {
  doors = await startClientDoors({ mode: "explicit" });
  for (const name of ["add_sub", "identity_fp32", "identity_str", "repeat", "raises", "held", "any_FP16"])
    await doors.models.load(name, { files: new Map() });
});

afterAll(() => doors[Symbol.asyncDispose]());

const ADD_SUB = {
  model: "add_sub",
  inputs: [tensor("INPUT0", "FP32", [4], [1, 2, 3, 4]), tensor("INPUT1", "FP32", [4], new Float32Array([4, 3, 2, 1]))],
};

describe.each(CLIENT_KINDS)("over $protocol", ({ protocol, connect }) => {
  let client: Client;

  beforeAll(() => {
    client = connect(doors);
  });

  afterAll(() => client.close());

  test("health is asked for, of the server and of models", async () => {
    expect(await client.isLive()).toBe(true);
    expect(await client.isReady()).toBe(true);
    expect(await client.isModelReady("add_sub")).toBe(true);
    expect(await client.isModelReady("add_sub", { version: "1" })).toBe(true);
    expect(await client.isModelReady("add_sub", { version: "7" })).toBe(false);
    expect(await client.isModelReady("nothing/of the kind")).toBe(false);
  });

  test("the server and its models say what they are", async () => {
    expect(await client.serverMetadata()).toMatchObject({ name: "triton", version: "2.51.0" });
    expect((await client.serverMetadata()).extensions).toContain("binary_tensor_data");
    expect(await client.modelMetadata("identity_str")).toEqual({
      name: "identity_str",
      versions: ["1"],
      platform: "python",
      inputs: [{ name: "INPUT0", dtype: "BYTES", shape: [-1, -1] }],
      outputs: [{ name: "OUTPUT0", dtype: "BYTES", shape: [-1, -1] }],
    });
    const config = await client.modelConfig("add_sub", { version: "1" });
    expect(config).toMatchObject({ name: "add_sub", backend: "python", max_batch_size: 0 });
    expect(config["input"]).toMatchObject([{ name: "INPUT0", data_type: "TYPE_FP32", dims: [4] }, { name: "INPUT1" }]);
    expect((await client.modelMetadata(SCRIPTED_MODEL)).inputs[0]).toEqual({ name: "text_input", dtype: "BYTES", shape: [1] });
  });

  test("an inference comes back with typed outputs", async () => {
    const result = await client.infer({ ...ADD_SUB, id: "seven" });
    expect(result).toMatchObject({ model: "add_sub", version: "1", id: "seven" });
    expect(result.output("OUTPUT0").as("FP32")).toEqual(new Float32Array([5, 5, 5, 5]));
    expect(result.output("OUTPUT1").data).toEqual(new Float32Array([-3, -1, 1, 3]));
    expect(result.output("OUTPUT0").shape).toEqual([4]);
    expect(() => result.output("OUTPUT9")).toThrow(/has no output 'OUTPUT9', only 'OUTPUT0', 'OUTPUT1'/);
    expect(() => result.output("OUTPUT0").as("INT32")).toThrow("output 'OUTPUT0' is FP32, not INT32");
  });

  test("only the outputs that are asked for come, and classes instead of a tensor", async () => {
    const one = await client.infer({ ...ADD_SUB, outputs: ["OUTPUT1"] });
    expect(one.outputs.map(({ name }) => name)).toEqual(["OUTPUT1"]);
    const classes = await client.infer({ ...ADD_SUB, outputs: [{ name: "OUTPUT1", classes: 2 }] });
    expect(classes.output("OUTPUT1").strings()).toEqual(["3.000000:3", "1.000000:2"]);
  });

  test("strings go and come as UTF-8, bytes as they are", async () => {
    const values = ["Küste", "", "海", new Uint8Array([0, 255])];
    const { outputs } = await client.infer({ model: "identity_str", inputs: [tensor("INPUT0", "BYTES", [2, 2], values)] });
    expect(outputs[0]?.strings().slice(0, 3)).toEqual(["Küste", "", "海"]);
    expect(outputs[0]?.as("BYTES")[3]).toEqual(new Uint8Array([0, 255]));
  });

  test("an output goes into the next inference without a copy of the caller's", async () => {
    const first = await client.infer(ADD_SUB);
    const inputs = [first.output("OUTPUT0").asInput("INPUT0"), first.output("OUTPUT1").asInput("INPUT1")];
    expect((await client.infer({ model: "add_sub", inputs })).output("OUTPUT0").data).toEqual(new Float32Array([2, 4, 6, 8]));
  });

  test("parameters arrive with their kinds, sequences, priority and time in the queue by their names", async () => {
    await client.infer(
      {
        ...ADD_SUB,
        version: "1",
        parameters: { text: "a", whole: 7, large: 2n ** 62n, half: 0.5, yes: true },
        sequence: { id: 9n, start: true },
        priority: 2,
        queueTimeoutUs: 1500,
      },
      { headers: { "x-forwarded-test": "from a header" } },
    );
    const request = doors.models.requests.at(-1);
    expect(request).toMatchObject({ version: 1, priority: 2, timeoutUs: 1500 });
    const parameters = Object.fromEntries(request?.parameters ?? []);
    expect(parameters).toMatchObject({ text: "a", large: 2n ** 62n, half: 0.5, yes: true, "x-forwarded-test": "from a header" });
    expect(Number(parameters["whole"])).toBe(7);
    expect(Number(parameters["sequence_id"])).toBe(9);
    expect(parameters).toMatchObject({ sequence_start: true, sequence_end: false });
    await expect(client.infer({ ...ADD_SUB, parameters: { priority: 1 } })).rejects.toThrow(/cannot be given as such: set priority/);
  });

  test("a failure carries the server's text, its code and its status", async () => {
    const failure = (code: string, message: string | RegExp, status: readonly [number, number]) =>
      expect.objectContaining({
        name: "ClientError",
        code,
        status: status[protocol === "HTTP" ? 0 : 1],
        message: expect.stringMatching(message),
      });
    await expect(client.infer({ ...ADD_SUB, model: "nope" })).rejects.toThrow(
      failure("NOT_FOUND", /^Request for unknown model: 'nope' is not found$/, [404, 5]),
    );
    await expect(client.infer({ ...ADD_SUB, inputs: ADD_SUB.inputs.slice(1), id: "x" })).rejects.toThrow(
      failure("INVALID_ARGUMENT", /^\[request id: x\] expected 2 inputs but got 1 inputs for model 'add_sub'/, [400, 3]),
    );
    await expect(client.modelMetadata("nope")).rejects.toThrow(failure("NOT_FOUND", /unknown model/, [404, 5]));
    await expect(client.infer({ model: "repeat", inputs: [tensor("N", "INT32", [1], [1])] })).rejects.toThrow(
      failure("UNIMPLEMENTED", /doesn't support models with decoupled transaction policy$/, [501, 12]),
    );
    const raises = { model: "raises", inputs: [tensor("INPUT0", "FP32", [1, 1], [1])] };
    await expect(client.infer(raises)).rejects.toThrow(failure("INTERNAL", /ValueError: boom/, [500, 13]));
  });

  test("a server that is not there is UNAVAILABLE", async () => {
    await using nobody = connect({ ...doors, httpAddress: "http://127.0.0.1:1", grpcAddress: "127.0.0.1:1" });
    await expect(nobody.isLive()).rejects.toMatchObject({ code: "UNAVAILABLE", name: "ClientError" });
  });

  test("a signal cancels the call here and on the server", async () => {
    const controller = new AbortController();
    const before = doors.held.canceled;
    const call = client.infer({ model: "held", inputs: [tensor("IN", "FP32", [1], [1])] }, { signal: controller.signal });
    await expect.poll(() => doors.held.waiting, { interval: 1 }).toBe(1);
    controller.abort(new Error("enough"));
    await expect(call).rejects.toMatchObject({ code: "CANCELLED", cause: expect.objectContaining({ message: "enough" }) });
    await expect.poll(() => doors.held.canceled, { interval: 1 }).toBe(before + 1);
    await expect(client.isLive({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await client.isLive({ signal: new AbortController().signal })).toBe(true);
  });

  test("a time limit ends the call here and on the server", async () => {
    const before = doors.held.canceled;
    const call = client.infer({ model: "held", inputs: [tensor("IN", "FP32", [1], [1])] }, { timeoutMs: 50 });
    await expect(call).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", message: "the deadline of 50 ms has passed" });
    await expect.poll(() => doors.held.canceled, { interval: 1 }).toBe(before + 1);
  });

  test("closing a client ends what runs", async () => {
    const closing = connect(doors);
    const call = closing.infer({ model: "held", inputs: [tensor("IN", "FP32", [1], [1])] });
    await expect.poll(() => doors.held.waiting, { interval: 1 }).toBe(1);
    const failed = expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    await closing.close();
    await failed;
    await expect(closing.isLive()).rejects.toMatchObject({ code: "CANCELLED" });
  });

  test.each(["gzip", "deflate"] as const)("requests travel as %s where that is asked for", async (compression) => {
    await using compressing = connect(doors, { compression });
    const inputs = [tensor("INPUT0", "FP32", [1, 4000], new Float32Array(4000).fill(0.5))];
    const { outputs } = await compressing.infer({ model: "identity_fp32", inputs });
    expect(outputs[0]?.data).toEqual(new Float32Array(4000).fill(0.5));
  });

  test("statistics count with all their digits", async () => {
    await client.infer(ADD_SUB);
    const [statistics] = await client.statistics("add_sub");
    expect(statistics).toMatchObject({ name: "add_sub", version: "1" });
    expect(statistics?.inferenceCount).toBeGreaterThan(0n);
    expect(statistics?.inferenceStats.success.count).toBe(statistics?.inferenceCount);
    expect(statistics?.batchStats[0]?.batchSize).toBe(1n);
    expect((await client.statistics()).map(({ name }) => name)).toContain("identity_str");
    await expect(client.statistics("nope")).rejects.toThrow("requested model 'nope' is not available");
  });

  test("the repository is listed, models are loaded with overrides, and unloaded", async () => {
    await client.loadModel("identity_dyn", { config: { max_batch_size: 3 }, files: { "1/model.onnx": new Uint8Array([1, 2, 0, 255]) } });
    const load = doors.models.loads.at(-1);
    expect(load).toMatchObject({ name: "identity_dyn", overrides: { config: '{"max_batch_size":3}' } });
    expect([...(load?.overrides.files ?? [])].map(([path, bytes]) => [path, [...bytes]])).toEqual([["1/model.onnx", [1, 2, 0, 255]]]);
    expect(await client.repositoryIndex({ ready: true })).toContainEqual({ name: "identity_dyn", version: "1", state: "READY" });
    await client.unloadModel("identity_dyn", { dependents: true });
    expect(doors.models.unloads.at(-1)).toEqual({ name: "identity_dyn", dependents: true });
    const index = await client.repositoryIndex();
    expect(index).toContainEqual({ name: "identity_dyn", version: "1", state: "UNAVAILABLE", reason: "unloaded" });
    expect(index).toContainEqual({ name: "identity_cached" });
    await expect(client.loadModel("nope")).rejects.toThrow(/failed to load 'nope'/);
  });

  test("tensors go through shared memory instead of the connection", async () => {
    const name = `nereid-client-${process.pid}-${protocol}`;
    const path = `/dev/shm/${name}`;
    writeFileSync(path, new Uint8Array(new Float32Array([1, 2, 3, 4, 0, 0, 0, 0]).buffer));
    try {
      await client.registerSystemSharedMemory(name, `/${name}`, 32);
      expect(await client.systemSharedMemory()).toEqual([{ name, key: `/${name}`, offset: 0n, byteSize: 32n }]);
      const result = await client.infer({
        model: "identity_fp32",
        inputs: [sharedTensor("INPUT0", "FP32", [1, 4], { region: name, bytes: 16 })],
        outputs: [{ name: "OUTPUT0", shared: { region: name, bytes: 16, offset: 16 } }],
      });
      expect(result.output("OUTPUT0").shape).toEqual([1, 4]);
      expect(() => result.output("OUTPUT0").data).toThrow(/lies in the shared memory/);
      const read = { model: "identity_fp32", inputs: [sharedTensor("INPUT0", "FP32", [1, 8], { region: name, bytes: 32 })] };
      expect((await client.infer(read)).output("OUTPUT0").data).toEqual(new Float32Array([1, 2, 3, 4, 1, 2, 3, 4]));
    } finally {
      await client.unregisterSystemSharedMemory();
      rmSync(path);
    }
    expect(await client.systemSharedMemory()).toEqual([]);
  });

  test("traces and logs are set, and set back", async () => {
    const traces = await client.updateTraceSettings({ trace_level: ["TIMESTAMPS"], trace_rate: "7" }, { model: "add_sub" });
    expect(traces).toMatchObject({ trace_level: ["TIMESTAMPS"], trace_rate: "7" });
    expect(await client.updateTraceSettings({ trace_level: [], trace_rate: [] }, { model: "add_sub" })).toEqual(
      await client.traceSettings(),
    );
    expect(await client.updateLogSettings({ log_verbose_level: 2, log_info: false })).toMatchObject({
      log_verbose_level: 2,
      log_info: false,
    });
    expect(await client.logSettings()).toMatchObject({ log_verbose_level: 2, log_format: "default" });
    await client.updateLogSettings({ log_verbose_level: 0, log_info: true });
    await expect(client.updateLogSettings({ log_file: "x" })).rejects.toMatchObject({ code: "UNIMPLEMENTED" });
  });
});
