/** Triton's own Python client finds here what it finds there, over HTTP and over gRPC. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ModelDtype } from "../../models/onnx-model.ts";
import { addSub, classifier, identity } from "../../models/small-models.ts";
import { pythonJson } from "../../support/python.ts";
import { type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const SCRIPT = fileURLToPath(new URL("triton_client.py", import.meta.url));
const IDENTITIES: Readonly<Record<string, ModelDtype>> = {
  BOOL: "bool",
  UINT8: "u8",
  INT16: "i16",
  UINT32: "u32",
  INT64: "i64",
  UINT64: "u64",
  FP16: "f16",
  FP32: "f32",
  FP64: "f64",
  BYTES: "string",
};
const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  repository
    .put("add_sub", { "1/model.onnx": addSub(["batch", 4]), "config.pbtxt": `max_batch_size: 8 dynamic_batching { } ${ONE_INSTANCE}` })
    .put("classifier", {
      "1/model.onnx": classifier(2, 3),
      "config.pbtxt": `max_batch_size: 8 ${ONE_INSTANCE} output { name: "SCORES" label_filename: "labels.txt" }`,
      "labels.txt": "cat\ndog\nbird\n",
    });
  for (const [dtype, name] of Object.entries(IDENTITIES))
    repository.put(`identity_${dtype}`, { "1/model.onnx": identity(name), "config.pbtxt": ONE_INSTANCE });
  writeFileSync(path.join(repository.folder, "model.onnx"), identity()); // for the upload
  cluster = await startModelCluster(repository.folder, { "--model-control-mode": "explicit" });
  await Promise.all(
    ["add_sub", "classifier", ...Object.keys(IDENTITIES).map((dtype) => `identity_${dtype}`)].map((name) => cluster.client.loadModel(name)),
  );
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const SUM = [11, 22, 33, -36];
const DIFFERENCE = [-9, -18, -27, 44];

describe.each(["http", "grpc"] as const)("tritonclient.%s", (protocol) => {
  let results: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    const address = protocol === "http" ? cluster.url.replace("http://", "") : cluster.grpcAddress;
    results = Object.fromEntries(
      Object.entries(Object(await pythonJson(SCRIPT, [protocol, address, path.join(repository.folder, "model.onnx")]))),
    );
  });

  test("asks for health and metadata", () => {
    expect(results).toMatchObject({
      live: true,
      ready: true,
      model_ready: [true, true, false],
      server: {
        name: "nereid",
        extensions: expect.arrayContaining(["classification", "binary_tensor_data", "statistics", "model_repository"]),
      },
      metadata: {
        name: "add_sub",
        versions: ["1"],
        platform: "onnxruntime_onnx",
        inputs: [
          { name: "INPUT0", datatype: "FP32" },
          { name: "INPUT1", datatype: "FP32" },
        ],
      },
      config: { name: "add_sub", max_batch_size: 8, backend: "onnxruntime" },
    });
  });

  test("infers with numpy arrays and gets the outputs that it asks for", () => {
    expect(results).toMatchObject({
      both: { OUTPUT0: SUM, OUTPUT1: DIFFERENCE },
      id: "seven",
      one_output: [DIFFERENCE, true],
      large: true,
    });
  });

  test("sends and gets every datatype as it is", () => {
    expect(results["dtypes"]).toEqual(Object.fromEntries(Object.keys(IDENTITIES).map((dtype) => [dtype, true])));
  });

  test("compresses requests and answers", () => {
    const compressed = Object.values(Object(results["compressed"]));
    expect(compressed).toHaveLength(protocol === "http" ? 9 : 2);
    for (const sum of compressed) expect(sum).toEqual(SUM);
  });

  test("gets the best classes with their labels", () => {
    expect(results["classes"]).toEqual(results["classes_expected"]);
    expect(results["classes_shape"]).toEqual([2, 2]);
  });

  test("asks for many things at a time", () => {
    expect(results["async"]).toEqual(Array.from({ length: 16 }, (_, index) => index));
    if (protocol === "grpc") expect(results["streamed"]).toEqual([0, 1, 2, 3]);
  });

  test("loads, unloads, uploads and lists models", () => {
    expect(results["index"]).toContainEqual({ name: "add_sub", version: "1", state: "READY" });
    expect(results).toMatchObject({
      after_unload: [false, { message: expect.stringContaining("Request for unknown model: 'add_sub' has no available versions") }],
      after_load: SUM,
      uploaded: true,
    });
  });

  test("reads statistics that add up", () => {
    const { inference_count, execution_count, success } = Object(results["statistics"]);
    expect([inference_count, success]).toEqual(protocol === "http" ? [17, 17] : [17 + 21, 17 + 21]);
    expect(execution_count).toBeLessThanOrEqual(inference_count);
  });

  test("shares memory with the server", () => {
    expect(results["shared_memory"]).toEqual([5, 6]);
    expect(results).toMatchObject({ trace: true, log: true });
  });

  test("gets Triton's errors", () => {
    const status = (http: string, grpc: string) => (protocol === "http" ? http : `StatusCode.${grpc}`);
    expect(results["errors"]).toEqual({
      unknown_model: { status: status("404", "NOT_FOUND"), message: "Request for unknown model: 'nobody' is not found" },
      wrong_datatype: {
        status: status("400", "INVALID_ARGUMENT"),
        message: expect.stringContaining("inference input 'INPUT0' data-type is 'INT32', but model 'add_sub' expects 'FP32'"),
      },
      twice: { status: status("400", "INVALID_ARGUMENT"), message: "[request id: <id_unknown>] input 'INPUT0' already exists in request" },
      missing_input: {
        status: status("400", "INVALID_ARGUMENT"),
        message: expect.stringContaining("expected 2 inputs but got 1 inputs for model 'add_sub'"),
      },
      unknown_output: {
        status: status("400", "INVALID_ARGUMENT"),
        message: expect.stringContaining("unexpected inference output 'NOTHING' for model 'add_sub'"),
      },
      metadata: { status: status("404", "NOT_FOUND"), message: "Request for unknown model: 'nobody' is not found" },
      load: { status: status("500", "INTERNAL"), message: "failed to load 'nobody', failed to poll from model repository" },
      statistics: { status: status("400", "INVALID_ARGUMENT"), message: "requested model 'nobody' is not available" },
    });
  });

  test("mixes JSON and binary data as it likes", () => {
    if (protocol === "http") expect(results).toMatchObject({ json: SUM, mixed: [SUM, DIFFERENCE], generated_body: true });
    else expect(results).not.toHaveProperty("json");
  });
});
