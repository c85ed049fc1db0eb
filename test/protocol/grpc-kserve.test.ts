/** Every call of the KServe door over gRPC, and every text it refuses with. */
import { randomUUID } from "node:crypto";
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../protos/gen/grpc/reflection/v1/reflection_pb.ts";
import { GRPCInferenceService, type ModelInferRequest, type ModelInferRequestSchema } from "../../protos/gen/grpc_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../protos/gen/health_pb.ts";
import { ScriptedModels } from "../support/scripted-models.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { GrpcClient, pathOf } from "./grpc-client.ts";
import { type GrpcDoor, startGrpcDoor } from "./grpc-door.ts";
import { streamBytes } from "./grpc-stream-bytes.ts";

const { method: rpc } = GRPCInferenceService;

type InferInit = Exclude<MessageInitShape<typeof ModelInferRequestSchema>, ModelInferRequest>;
type ParameterInit = NonNullable<InferInit["parameters"]>[string];

type ReflectionInit = ServerReflectionRequest["messageRequest"];

const choice = (parameterChoice: NonNullable<ParameterInit["parameterChoice"]>): ParameterInit => ({
  $typeName: "inference.InferParameter",
  parameterChoice,
});
const int = (value: bigint) => choice({ case: "int64Param", value });
const text = (value: string) => choice({ case: "stringParam", value });
const flag = (value: boolean) => choice({ case: "boolParam", value });
const unsigned = (value: bigint) => choice({ case: "uint64Param", value });
const real = (value: number) => choice({ case: "doubleParam", value });
const none = choice({ case: undefined });

const FLOATS = new Uint8Array(new Float32Array([1, 5, 10, 4]).buffer);
const INPUT = { name: "INPUT0", datatype: "FP32", shape: [1n, 4n] };
const IDENTITY = { modelName: "identity_fp32", inputs: [INPUT], rawInputContents: [FLOATS] };

let door: GrpcDoor;
let client: GrpcClient;

beforeAll(async () => {
  door = await startGrpcDoor({ models: new ScriptedModels({ mode: "explicit" }), forwardHeaders: "^x-" });
  client = new GrpcClient(door.port);
  for (const modelName of ["identity_fp32", "add_sub", "repeat", "identity_str"])
    await client.unary(rpc.repositoryModelLoad, { modelName });
});

afterAll(async () => {
  client[Symbol.dispose]();
  await door[Symbol.asyncDispose]();
});

const infer = (message: InferInit, metadata: Readonly<Record<string, string>> = {}) => client.unary(rpc.modelInfer, message, { metadata });

describe("ModelInfer", () => {
  test("passes on id, version, tensors, parameters, priority, timeout and deadline", async () => {
    const parameters = {
      a: int(-(2n ** 60n)),
      b: text("x"),
      c: flag(false),
      d: real(0.5),
      priority: unsigned(3n),
      timeout: int(5000n),
      sequence_id: int(7n),
    };
    const { code, message } = await client.unary(
      rpc.modelInfer,
      { ...IDENTITY, modelVersion: "1", id: "größe", parameters },
      { timeoutMs: 60_000 },
    );
    expect([code, message?.id, message?.modelVersion, message?.outputs[0]?.shape]).toEqual(["OK", "größe", "1", [1n, 4n]]);
    const request = door.models.requests.at(-1);
    expect(request).toMatchObject({ version: 1, id: "größe", priority: 3, timeoutUs: 5000, tenant: "public" });
    expect(request?.deadlineMs).toBeGreaterThan(50_000);
    const sent = [
      ["a", -(2n ** 60n)],
      ["b", "x"],
      ["c", false],
      ["d", 0.5],
      ["sequence_id", 7n],
    ];
    expect([...(request?.parameters ?? [])].toSorted()).toEqual(sent);
  });

  test("takes metadata that matches the pattern as parameters, and refuses reserved names", async () => {
    await infer(IDENTITY, { "x-user": "me", other: "no" });
    expect(Object.fromEntries(door.models.requests.at(-1)?.parameters ?? [])).toEqual({ "x-user": "me" });
  });

  test("on a decoupled model says to use the stream", async () => {
    const details = "ModelInfer RPC doesn't support models with decoupled transaction policy";
    for (const modelName of ["repeat", SCRIPTED_MODEL])
      expect(await infer({ modelName })).toMatchObject({ code: "UNIMPLEMENTED", details });
  });

  test.each<[string, InferInit, string]>([
    [
      "mixed data",
      { inputs: [{ ...INPUT, contents: { fp32Contents: [1] } }] },
      "contents field must not be specified when using raw_input_contents for 'INPUT0' for model 'identity_fp32'",
    ],
    ["no data", { rawInputContents: [] }, "unable to find data for input tensor 'INPUT0' for model 'identity_fp32' in request."],
    [
      "wrong contents",
      { rawInputContents: [], inputs: [{ ...INPUT, contents: { intContents: [1] } }] },
      "unexpected explicit tensor data for input tensor 'INPUT0' for model 'identity_fp32' of type 'INT32', expected datatype 'FP32'",
    ],
    [
      "half-precision contents",
      { rawInputContents: [], inputs: [{ ...INPUT, datatype: "FP16", contents: { fp32Contents: [1] } }] },
      "unexpected explicit tensor data for input tensor 'INPUT0' for model 'identity_fp32' of type 'FP32', expected datatype 'FP16'",
    ],
    ["too much raw data", { rawInputContents: [FLOATS, FLOATS] }, "unexpected additional input data for model 'identity_fp32'"],
    [
      "the same input twice",
      { inputs: [INPUT, INPUT], rawInputContents: [FLOATS, FLOATS] },
      "[request id: <id_unknown>] input 'INPUT0' already exists in request",
    ],
    [
      "the same output twice",
      { id: "7", outputs: [{ name: "OUTPUT0" }, { name: "OUTPUT0" }] },
      "[request id: 7] output 'OUTPUT0' already exists in request",
    ],
    [
      "a negative dimension",
      { inputs: [{ ...INPUT, shape: [1n, -1n] }] },
      "[request id: <id_unknown>] All input dimensions should be specified for input 'INPUT0' for model 'identity_fp32', got [1,-1]",
    ],
    [
      "a version that is no number",
      { modelVersion: "x1" },
      "failed to get model version from specified version string 'x1' (details: stol), version should be an integral value > 0",
    ],
    ["a negative version", { modelVersion: "-1" }, "invalid model version specified '-1' , version should be an integral value > 0"],
    [
      "a sequence id that is a flag",
      { parameters: { sequence_id: flag(true) } },
      "invalid value type for 'sequence_id' parameter, expected int64_param or string_param.",
    ],
    [
      "a sequence start that is a number",
      { parameters: { sequence_start: int(1n) } },
      "invalid value type for 'sequence_start' parameter, expected bool_param.",
    ],
    [
      "a sequence end that is a text",
      { parameters: { sequence_end: text("") } },
      "invalid value type for 'sequence_end' parameter, expected bool_param.",
    ],
    ["a negative priority", { parameters: { priority: int(-1n) } }, "invalid value for 'priority', expected value >= 0."],
    [
      "a priority that is a text",
      { parameters: { priority: text("1") } },
      "invalid value type for 'priority' parameter, expected int64_param or uint64_param.",
    ],
    [
      "a timeout that is unsigned",
      { parameters: { timeout: unsigned(1n) } },
      "invalid value type for 'timeout' parameter, expected int64_param.",
    ],
    [
      "a final flag that is a number",
      { parameters: { triton_enable_empty_final_response: int(1n) } },
      "invalid value type for 'triton_enable_empty_final_response' parameter, expected bool_param.",
    ],
    [
      "a reserved key",
      { parameters: { triton_x: flag(true) } },
      "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with 'triton_' are allowed: triton_enable_empty_final_response",
    ],
    [
      "an unsigned parameter",
      { parameters: { mine: unsigned(1n) } },
      "invalid value type for 'mine' parameter, expected int64_param, bool_param, or string_param.",
    ],
    [
      "an empty parameter",
      { parameters: { mine: none } },
      "invalid value type for 'mine' parameter, expected int64_param, bool_param, or string_param.",
    ],
    [
      "classes that are a text",
      { outputs: [{ name: "OUTPUT0", parameters: { classification: text("2") } }] },
      "invalid value type for 'classification' parameter, expected int64_param",
    ],
    [
      "no classes",
      { outputs: [{ name: "OUTPUT0", parameters: { classification: int(0n) } }] },
      "invalid value for 'classification' parameter, expected >= 0",
    ],
    [
      "a region without a size",
      { inputs: [{ ...INPUT, parameters: { shared_memory_region: text("r") } }] },
      "'shared_memory_byte_size' must be specified along with 'shared_memory_region'",
    ],
    [
      "a size without a region",
      { inputs: [{ ...INPUT, parameters: { shared_memory_byte_size: int(4n) } }] },
      "'shared_memory_byte_size' must be specified along with 'shared_memory_region'",
    ],
  ])("with %s is refused in Triton's words", async (_, wrong, details) => {
    expect(await infer({ ...IDENTITY, ...wrong })).toMatchObject({ code: "INVALID_ARGUMENT", details });
  });

  test("with reserved metadata is refused", async () => {
    await using forwarding = await startGrpcDoor({ forwardHeaders: "." });
    using forwarded = new GrpcClient(forwarding.port);
    const outcome = await forwarded.unary(rpc.modelInfer, IDENTITY, { metadata: { timeout: "1" } });
    expect(outcome).toMatchObject({
      code: "INVALID_ARGUMENT",
      details: "Header 'timeout' is reserved for Triton usage and cannot be forwarded.",
    });
  });
});

describe("shared memory", () => {
  const key = `/nereid-test-${randomUUID()}`;
  const path = `/dev/shm${key}`;

  test("carries inputs and outputs; its outputs stand in the answer without bytes", async () => {
    const file = openSync(path, "w+");
    try {
      writeSync(file, Buffer.concat([FLOATS, Buffer.alloc(16)]));
      expect(await client.unary(rpc.systemSharedMemoryRegister, { name: "r", key, byteSize: 32n })).toMatchObject({ code: "OK" });
      expect(await client.unary(rpc.systemSharedMemoryRegister, { name: "r", key, byteSize: 32n })).toMatchObject({
        code: "ALREADY_EXISTS",
        details: "shared memory region 'r' already in manager",
      });
      const { message: known } = await client.unary(rpc.systemSharedMemoryStatus, {});
      expect(known?.regions["r"]).toMatchObject({ name: "r", key, offset: 0n, byteSize: 32n });
      const range = (offset: bigint) => ({
        shared_memory_region: text("r"),
        shared_memory_byte_size: int(16n),
        shared_memory_offset: int(offset),
      });
      const shared = { modelName: "identity_fp32", inputs: [{ ...INPUT, parameters: range(0n) }] };
      const { code, message } = await infer({ ...shared, outputs: [{ name: "OUTPUT0", parameters: range(16n) }] });
      expect([code, message?.outputs.length, message?.rawOutputContents.map(({ byteLength }) => byteLength)]).toEqual(["OK", 1, [0]]);
      expect(readFileSync(path).subarray(16)).toEqual(Buffer.from(FLOATS));
      const both = { ...shared, inputs: [{ ...INPUT, parameters: range(0n), contents: { fp32Contents: [1] } }] };
      expect(await infer(both)).toMatchObject({
        details: "unexpected 'content' provided when using shared memory for input tensor 'INPUT0' for model 'identity_fp32'",
      });
      const small = { shared_memory_region: text("r"), shared_memory_byte_size: int(4n) };
      expect(await infer({ ...shared, outputs: [{ name: "OUTPUT0", parameters: small }] })).toMatchObject({
        code: "INTERNAL",
        details:
          "shared memory size specified with the request for output 'OUTPUT0' (4 bytes) should be at least 16 bytes to hold the results",
      });
      expect(await infer({ ...shared, inputs: [{ ...INPUT, parameters: range(20n) }] })).toMatchObject({
        details: "Invalid offset + byte size for shared memory region: 'r'",
      });
      expect(await client.unary(rpc.systemSharedMemoryUnregister, { name: "r" })).toMatchObject({ code: "OK" });
      expect(await infer(shared)).toMatchObject({ details: "Unable to find shared memory region: 'r'" });
      expect(await client.unary(rpc.systemSharedMemoryStatus, { name: "r" })).toMatchObject({
        code: "NOT_FOUND",
        details: "Unable to find system shared memory region: 'r'",
      });
    } finally {
      closeSync(file);
      rmSync(path);
    }
  });

  test("of a GPU is refused, of nobody is empty, and unregistering it is fine", async () => {
    expect(await client.unary(rpc.cudaSharedMemoryRegister, { name: "g" })).toMatchObject({
      code: "INVALID_ARGUMENT",
      details: "failed to register CUDA shared memory region: 'g', GPUs not supported",
    });
    expect((await client.unary(rpc.cudaSharedMemoryStatus, {})).message?.regions).toEqual({});
    expect(await client.unary(rpc.cudaSharedMemoryStatus, { name: "g" })).toMatchObject({ code: "NOT_FOUND" });
    expect(await client.unary(rpc.cudaSharedMemoryUnregister, {})).toMatchObject({ code: "OK" });
  });

  test("that is not allowed says how to allow it", async () => {
    await using closed = await startGrpcDoor({ allowClientShm: false });
    using closedClient = new GrpcClient(closed.port);
    const details = "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.";
    for (const call of [
      rpc.systemSharedMemoryRegister,
      rpc.systemSharedMemoryUnregister,
      rpc.cudaSharedMemoryRegister,
      rpc.cudaSharedMemoryUnregister,
    ]) {
      expect(await closedClient.bytes(pathOf(call), new Uint8Array())).toMatchObject({ code: "UNIMPLEMENTED", details });
    }
    const outputs = [{ name: "OUTPUT0", parameters: { shared_memory_region: text("r"), shared_memory_byte_size: int(4n) } }];
    expect(await closedClient.unary(rpc.modelInfer, { ...IDENTITY, outputs })).toMatchObject({ code: "UNIMPLEMENTED", details });
  });
});

describe("models", () => {
  test("are loaded with configuration and files, unloaded with dependents, and listed", async () => {
    const parameter = <T>(value: T) => ({ $typeName: "inference.ModelRepositoryParameter" as const, parameterChoice: value });
    const config = parameter({ case: "stringParam" as const, value: '{"max_batch_size":8}' });
    const file = parameter({ case: "bytesParam" as const, value: Uint8Array.of(1, 2, 3) });
    const load = { modelName: "ens", parameters: { config, "file:1/model.onnx": file } };
    expect(await client.unary(rpc.repositoryModelLoad, load)).toMatchObject({ code: "OK" });
    const { overrides } = door.models.loads.at(-1) ?? {};
    expect([overrides?.config, [...(overrides?.files ?? [])]]).toEqual([
      '{"max_batch_size":8}',
      [["1/model.onnx", Uint8Array.of(1, 2, 3)]],
    ]);
    expect((await client.unary(rpc.modelReady, { name: "ens" })).message?.ready).toBe(true);
    const dependents = parameter({ case: "boolParam" as const, value: true });
    expect(
      await client.unary(rpc.repositoryModelUnload, { modelName: "ens", parameters: { unload_dependents: dependents } }),
    ).toMatchObject({ code: "OK" });
    expect(door.models.unloads.at(-1)).toEqual({ name: "ens", dependents: true });
    const { message } = await client.unary(rpc.repositoryIndex, {});
    expect(message?.models.find(({ name }) => name === "ens")).toMatchObject({ version: "1", state: "UNAVAILABLE", reason: "unloaded" });
    expect(message?.models.find(({ name }) => name === "raises")).toMatchObject({ version: "", state: "", reason: "" });
    await client.unary(rpc.repositoryModelLoad, { modelName: "identity_fp32" });
    const wrong = async (parameters: typeof load.parameters | Record<string, typeof config | typeof file>) =>
      (await client.unary(rpc.repositoryModelLoad, { modelName: "ens", parameters })).details;
    expect(await wrong({ other: config })).toBe("unrecognized load parameter 'other'.");
    expect(await wrong({ config: file })).toBe("invalid value type for load parameter 'config', expected string_param.");
    expect(await wrong({ "file:1/a": config })).toBe("invalid value type for load parameter 'file:1/a', expected bytes_param.");
    expect(await client.unary(rpc.repositoryModelUnload, { modelName: "ens", parameters: { unload_dependents: config } })).toMatchObject({
      details: "invalid value type for 'unload_dependents' parameter, expected bool_param.",
    });
    const elsewhere = { repositoryName: "r", modelName: "ens" };
    const refused = { code: "UNIMPLEMENTED", details: "'repository_name' specification is not supported" };
    expect(await client.unary(rpc.repositoryModelLoad, elsewhere)).toMatchObject(refused);
    expect(await client.unary(rpc.repositoryModelUnload, elsewhere)).toMatchObject(refused);
  });

  test("that nobody may load or unload are not", async () => {
    await using fixed = await startGrpcDoor();
    using fixedClient = new GrpcClient(fixed.port);
    const details = "explicit model load / unload is not allowed if polling is enabled";
    expect(await fixedClient.unary(rpc.repositoryModelLoad, { modelName: "ens" })).toMatchObject({ code: "UNAVAILABLE", details });
    expect(await fixedClient.unary(rpc.repositoryModelUnload, { modelName: "ens" })).toMatchObject({ code: "UNAVAILABLE", details });
  });

  test("of text show their inputs, outputs and configuration as decoupled models", async () => {
    const { message: metadata } = await client.unary(rpc.modelMetadata, { name: SCRIPTED_MODEL });
    expect(metadata).toMatchObject({
      platform: "llm",
      versions: ["1"],
      outputs: [{ name: "text_output", datatype: "BYTES", shape: [1n] }],
    });
    expect(metadata?.inputs[0]).toMatchObject({ name: "text_input", datatype: "BYTES", shape: [1n] });
    const { message: config } = await client.unary(rpc.modelConfig, { name: SCRIPTED_MODEL });
    expect(config?.config?.modelTransactionPolicy?.decoupled).toBe(true);
    expect((await client.unary(rpc.modelReady, { name: SCRIPTED_MODEL })).message?.ready).toBe(true);
  });

  test("have statistics, one or all", async () => {
    await infer(IDENTITY);
    const { message: all } = await client.unary(rpc.modelStatistics, {});
    expect(all?.modelStats.map(({ name }) => name)).toContain("add_sub");
    const { message: one } = await client.unary(rpc.modelStatistics, { name: "identity_fp32", version: "1" });
    expect(one?.modelStats[0]?.inferenceCount).toBeGreaterThan(0n);
    expect(one?.modelStats[0]?.batchStats[0]?.batchSize).toBe(1n);
  });
});

describe("settings", () => {
  const values = (value: string[]) => ({ $typeName: "inference.TraceSettingRequest.SettingValue" as const, value });
  const setting = <T>(parameterChoice: T) => ({ $typeName: "inference.LogSettingsRequest.SettingValue" as const, parameterChoice });

  test("of traces are set for all and for one model, and cleared", async () => {
    const change = { trace_level: values(["TIMESTAMPS"]), trace_rate: values(["5"]) };
    const { message } = await client.unary(rpc.traceSetting, { modelName: "add_sub", settings: change });
    expect([message?.settings["trace_level"]?.value, message?.settings["trace_rate"]?.value]).toEqual([["TIMESTAMPS"], ["5"]]);
    expect((await client.unary(rpc.traceSetting, {})).message?.settings["trace_rate"]?.value).toEqual(["1000"]);
    const cleared = await client.unary(rpc.traceSetting, {
      modelName: "add_sub",
      settings: { trace_rate: values([]), trace_level: values([]) },
    });
    expect(cleared.message?.settings["trace_rate"]?.value).toEqual(["1000"]);
  });

  test.each<[Record<string, string[]>, string, string]>([
    [{ trace_level: ["OFF", "TENSORS"] }, "INVALID_ARGUMENT", "Expect only one trace level 'OFF' is specified"],
    [{ trace_rate: ["x"] }, "INVALID_ARGUMENT", "Unable to parse 'trace_rate', got: x"],
    [{ trace_rate: ["1", "2"] }, "INVALID_ARGUMENT", "expect only 1 value for 'trace_rate'"],
    [{ trace_file: ["f"] }, "UNIMPLEMENTED", "trace file location can not be updated through network protocol"],
  ])("of traces as %j are refused", async (wrong, code, details) => {
    const settings = Object.fromEntries(Object.entries(wrong).map(([name, value]) => [name, values(value)]));
    expect(await client.unary(rpc.traceSetting, { settings })).toMatchObject({ code, details });
    expect(await client.unary(rpc.traceSetting, { modelName: "nope" })).toMatchObject({ details: "Request for unknown model : nope" });
  });

  test("of logs are set and returned in full; their file is not", async () => {
    const settings = {
      log_info: setting({ case: "boolParam" as const, value: false }),
      log_verbose_level: setting({ case: "uint32Param" as const, value: 2 }),
      log_format: setting({ case: "stringParam" as const, value: "ISO8601" }),
    };
    const { message } = await client.unary(rpc.logSettings, { settings });
    expect(message?.settings["log_info"]?.parameterChoice).toEqual({ case: "boolParam", value: false });
    expect(message?.settings["log_verbose_level"]?.parameterChoice).toEqual({ case: "uint32Param", value: 2 });
    expect(Object.keys(message?.settings ?? {})).toHaveLength(6);
    const file = { log_file: setting({ case: "stringParam" as const, value: "f" }) };
    expect(await client.unary(rpc.logSettings, { settings: file })).toMatchObject({
      code: "UNIMPLEMENTED",
      details: "log file location can not be updated through network protocol",
    });
    const wrong = { log_info: setting({ case: "stringParam" as const, value: "f" }) };
    expect(await client.unary(rpc.logSettings, { settings: wrong })).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("health and reflection", () => {
  test("health is the server's, whatever service it is asked for; watching it is not offered", async () => {
    const { message } = await client.unary(Health.method.check, { service: "anything" });
    expect(message?.status).toBe(Status.SERVING);
    await using broken = await startGrpcDoor();
    using brokenClient = new GrpcClient(broken.port);
    expect((await brokenClient.unary(Health.method.check, {})).message?.status).toBe(Status.NOT_SERVING);
    expect(await brokenClient.bytes("/grpc.health.v1.Health/Watch", Buffer.alloc(0))).toMatchObject({ code: "UNIMPLEMENTED" });
  });

  test.each(["v1", "v1alpha"])("reflection %s names services and hands out their files", async (version) => {
    const asked: ReflectionInit[] = [
      { case: "listServices", value: "" },
      { case: "fileContainingSymbol", value: "inference.GRPCInferenceService.ModelInfer" },
      { case: "fileByFilename", value: "model_config.proto" },
      { case: "fileContainingSymbol", value: "no.such.Thing" },
      { case: "allExtensionNumbersOfType", value: "inference.ModelConfig" },
    ];
    const requests = asked.map((messageRequest) =>
      toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, { messageRequest })),
    );
    const { code, messages } = await streamBytes(door.port, `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, requests);
    expect(code).toBe("OK");
    const answers = messages.map((bytes) => fromBinary(ServerReflectionResponseSchema, bytes).messageResponse);
    const listed = answers[0]?.case === "listServicesResponse" ? answers[0].value.service.map(({ name }) => name) : [];
    expect(listed).toContain("inference.GRPCInferenceService");
    expect(listed).toContain("grpc.health.v1.Health");
    const files = answers.map((answer) => (answer?.case === "fileDescriptorResponse" ? answer.value.fileDescriptorProto.length : 0));
    expect(files).toEqual([0, 2, 1, 0, 0]);
    expect(answers[3]).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
    expect(answers[4]).toMatchObject({ case: "allExtensionNumbersResponse" });
  });
});
