/** Triton's own Python clients, all four, find here what they find there: every method of theirs, and every option. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ModelDtype } from "../../models/onnx-model.ts";
import { REPEAT } from "../../models/sample-backends.ts";
import { accumulate, addSub, classifier, identity } from "../../models/small-models.ts";
import { pythonJson } from "../../support/python.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const SCRIPT = fileURLToPath(new URL("triton_client/main.py", import.meta.url));
const IDENTITIES: Readonly<Record<string, ModelDtype>> = {
  BOOL: "bool",
  INT8: "i8",
  INT16: "i16",
  INT32: "i32",
  INT64: "i64",
  UINT8: "u8",
  UINT16: "u16",
  UINT32: "u32",
  UINT64: "u64",
  FP16: "f16",
  BF16: "bf16",
  FP32: "f32",
  FP64: "f64",
  BYTES: "string",
};
const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";
const PATIENT = `max_batch_size: 8 ${ONE_INSTANCE} dynamic_batching {
  preferred_batch_size: [8] max_queue_delay_microseconds: 30000000
  default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 20000000 allow_timeout_override: true }
}`;
const CHAIN = `platform: "ensemble" max_batch_size: 0
  input { name: "X" data_type: TYPE_FP32 dims: [-1, -1] } output { name: "Y" data_type: TYPE_FP32 dims: [-1, -1] }
  ensemble_scheduling { step { model_name: "link" model_version: -1 input_map { key: "INPUT0" value: "X" } output_map { key: "OUTPUT0" value: "Y" } } }`;

const repository = new ModelRepository();
let cluster: ModelCluster;
let results: Readonly<Record<string, unknown>>;

/** A running sum whose CORRID is of this type. */
function sums(corrid: "u64" | "string"): Readonly<Record<string, Uint8Array | string>> {
  const flag = (name: string, kind: string) =>
    `control_input { name: "${name}" control { kind: CONTROL_SEQUENCE_${kind} int32_false_true: [0, 1] } }`;
  const id = `control_input { name: "CORRID" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_${corrid === "u64" ? "UINT64" : "STRING"} } }`;
  const state = `state { input_name: "INPUT_STATE" output_name: "OUTPUT_STATE" data_type: TYPE_INT32 dims: [1] }`;
  return {
    "1/model.onnx": accumulate(corrid),
    "config.pbtxt":
      `max_batch_size: 4 ${ONE_INSTANCE} sequence_batching { max_sequence_idle_microseconds: 60000000 direct { } ` +
      `${flag("START", "START")} ${flag("READY", "READY")} ${flag("END", "END")} ${id} ${state} }`,
  };
}

beforeAll(async () => {
  repository
    .put("add_sub", { "1/model.onnx": addSub(["batch", 4]), "config.pbtxt": `max_batch_size: 8 dynamic_batching { } ${ONE_INSTANCE}` })
    .put("classifier", {
      "1/model.onnx": classifier(2, 3),
      "config.pbtxt": `max_batch_size: 8 ${ONE_INSTANCE} output { name: "SCORES" label_filename: "labels.txt" }`,
      "labels.txt": "cat\ndog\nbird\n",
    })
    .put("patient", { "1/model.onnx": identity(), "config.pbtxt": PATIENT })
    .put("sums", sums("u64"))
    .put("named_sums", sums("string"))
    .put("link", { "1/model.onnx": identity(), "config.pbtxt": ONE_INSTANCE })
    .put("repeat_int32", { "config.pbtxt": REPEAT })
    .put("chain", { "1/.keep": "", "config.pbtxt": CHAIN });
  for (const [dtype, name] of Object.entries(IDENTITIES))
    repository.put(`identity_${dtype}`, { "1/model.onnx": identity(name), "config.pbtxt": ONE_INSTANCE });
  const file = path.join(repository.folder, "model.onnx"); // for the upload
  writeFileSync(file, identity());
  cluster = await startModelCluster(repository.folder, {
    "--nodes": "1",
    "--model-control-mode": "explicit",
    "--http-header-forward-pattern": "my-.*|timeout",
    "--grpc-header-forward-pattern": "my-.*|^timeout",
  });
  const loaded = [
    "add_sub",
    "classifier",
    "patient",
    "sums",
    "named_sums",
    "repeat_int32",
    ...Object.keys(IDENTITIES).map((dtype) => `identity_${dtype}`),
  ];
  await Promise.all(loaded.map((name) => cluster.client.loadModel(name)));
  const addresses = [cluster.url.replace("http://", ""), cluster.grpcAddress];
  results = Object.fromEntries(Object.entries(Object(await pythonJson(SCRIPT, [...addresses, file]))));
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const SUM = [11, 22, 33, -36];
const DIFFERENCE = [-9, -18, -27, 44];
const TLS_OPTIONS = ["certificate_chain", "creds", "private_key", "root_certificates", "ssl"];

test("no method of theirs is left out, and no option but those of TLS, which test/protocol/triton-client-tls.test.ts gives", () => {
  expect(results["unused"]).toEqual({
    "tritonclient.http._client.InferenceServerClient.__init__": ["insecure", "ssl", "ssl_context_factory", "ssl_options"],
    "tritonclient.http.aio.InferenceServerClient.__init__": ["ssl", "ssl_context"],
    "tritonclient.grpc._client.InferenceServerClient.__init__": TLS_OPTIONS,
    "tritonclient.grpc.aio.InferenceServerClient.__init__": TLS_OPTIONS,
    "tritonclient.grpc._infer_result.InferResult.get_output": ["as_json"], // always gives None: it forgets to return
  });
});

test("requests that clients have left never run", async () => {
  const pending = /nv_inference_pending_request_count\{model="patient",version="1"\} (\d+)/;
  await eventually(
    async () => pending.exec(await cluster.metrics())?.[1],
    (count) => count === "0",
  );
  const { executionCount, inferenceStats } = await cluster.statistics("patient");
  expect([executionCount, inferenceStats.success.count]).toEqual([0n, 0n]);
  expect(inferenceStats.fail.count).toBeGreaterThan(0n);
});

describe.each(["http", "http.aio", "grpc", "grpc.aio"] as const)("tritonclient.%s", (kind) => {
  const isHttp = kind.startsWith("http");
  const found = () => Object(results[kind]);
  const refused = (http: string | undefined, grpc: string, message: string | RegExp) => ({
    status: isHttp ? http : `StatusCode.${grpc}`,
    message: typeof message === "string" ? message : expect.stringMatching(message),
  });
  const invalid = (message: string | RegExp) => refused("400", "INVALID_ARGUMENT", message);

  test("asks for health, metadata and configuration", () => {
    const size = (value: number) => (isHttp ? value : String(value)); // protobuf's JSON has long numbers as strings
    expect(found()).toMatchObject({
      live: [true, true],
      model_ready: [true, true, false],
      server: {
        name: "nereid",
        extensions: expect.arrayContaining(["classification", "binary_tensor_data", "statistics", "model_repository"]),
      },
      metadata: {
        name: "add_sub",
        versions: ["1"],
        platform: "onnxruntime_onnx",
        inputs: [{ name: "INPUT0", datatype: "FP32", shape: [size(-1), size(4)] }, { name: "INPUT1" }],
        outputs: [{ name: "OUTPUT0" }, { name: "OUTPUT1" }],
      },
      config: { name: "add_sub", max_batch_size: 8, backend: "onnxruntime" },
      verbose: true,
    });
  });

  test("infers with numpy arrays and gets the outputs that it asks for", () => {
    expect(found()).toMatchObject({
      both: { OUTPUT0: SUM, OUTPUT1: DIFFERENCE },
      names: ["seven", "add_sub", "1"],
      one_output: [DIFFERENCE, true, ["FP32", [1, 4]]],
      reshaped: ["INPUT0", "FP32", [1, 4], "OUTPUT0"],
      large: true,
      empty: true,
    });
  });

  test("sends and gets every datatype as it is, in binary and as JSON", () => {
    expect(found().dtypes).toEqual([]); // those that came back otherwise
    if (!isHttp) return;
    expect(found()).toMatchObject({ json: SUM, mixed: [SUM, DIFFERENCE], dtypes_json: [] });
    expect(found().half_json).toEqual(
      invalid("sending FP16 data via JSON is not supported. Please use the binary data format for output OUTPUT0"),
    );
  });

  test("sends parameters, priority and timeout, headers and queries", () => {
    expect(found()).toMatchObject({ with_parameters: SUM, other_header: null, ...(isHttp ? { query: SUM } : { limited: SUM }) });
    expect(found().reserved_parameter.message).toBe('Parameter "sequence_id" is a reserved parameter and cannot be specified.');
    expect(found().reserved_header).toEqual(invalid("Header 'timeout' is reserved for Triton usage and cannot be forwarded."));
  });

  test("compresses requests and answers", () => {
    expect(found().compressed).toEqual(Array.from({ length: isHttp ? 9 : 2 }, () => SUM));
  });

  test("gets the best classes with their labels", () => {
    expect(found().classes).toEqual([true, [2, 2]]);
  });

  test("runs sequences by numbers and by names", () => {
    const largest = Number(2n ** 63n - 1n); // as JSON comes to JavaScript
    expect(found()).toMatchObject({
      numbered: [
        [11, largest],
        [100, 2],
        [18, largest],
        [101, 2],
      ],
      ended: 19,
      named: [
        [4, "audio-7"],
        [9, "audio-7"],
      ],
    });
    expect(found().without_start).toEqual(invalid(/must specify the START flag on the first request of the sequence$/));
  });

  test("gets Triton's errors", () => {
    const unknown = (what: string) => refused("404", "NOT_FOUND", `Request for unknown model: ${what} is not found`);
    expect(found().errors).toEqual({
      unknown_model: unknown("'nobody'"),
      unknown_version: unknown("'add_sub' version 7"),
      wrong_datatype: invalid(/inference input 'INPUT0' data-type is 'INT32', but model 'add_sub' expects 'FP32'$/),
      twice: invalid("[request id: <id_unknown>] input 'INPUT0' already exists in request"),
      missing_input: invalid(/expected 2 inputs but got 1 inputs for model 'add_sub'/),
      unknown_output: invalid(/unexpected inference output 'NOTHING' for model 'add_sub'$/),
      metadata: unknown("'nobody'"),
      load: refused("500", "INTERNAL", "failed to load 'nobody', failed to poll from model repository"),
      statistics: invalid("requested model 'nobody' is not available"),
    });
  });

  test("loads, unloads, uploads and lists models", () => {
    expect(found().index).toContainEqual({ name: "add_sub", version: "1", state: "READY" });
    expect(found()).toMatchObject({
      after_unload: [false, refused("404", "NOT_FOUND", "Request for unknown model: 'add_sub' has no available versions")],
      after_load: SUM,
      uploaded: [true, 3],
      dependents: [true, true, false, false], // an ensemble and its model: loaded, then unloaded together
      broken_config: refused("500", "INTERNAL", /^failed to load 'add_sub'/),
    });
  });

  test("reads statistics that add up", () => {
    expect(found().counted).toEqual([3, 3, 3]);
    expect(found().all_counted).toEqual(expect.arrayContaining(["add_sub", "sums", "identity_BYTES"]));
  });

  test("changes what a plugin adds to its requests", () => {
    expect(found()).toMatchObject({ plugin: [true, SUM], plugin_twice: expect.stringContaining("A plugin is already registered") });
    expect(found().plugin_header).toEqual(found().reserved_header);
  });

  test("sets traces and logs, and sets them back", () => {
    expect(found()).toMatchObject({
      trace: [
        ["TIMESTAMPS", "7"],
        ["TIMESTAMPS", "7"],
        ["OFF", "1000"],
      ],
      trace_back: true,
      trace_errors: [invalid("Unable to parse 'trace_rate', got: x"), invalid("Request for unknown model : nobody")],
      log: [2, true, "ISO8601"],
      log_seen: true,
      log_back: true,
      log_file: refused("501", "UNIMPLEMENTED", "log file location can not be updated through network protocol"),
    });
  });

  test("shares memory with the server", () => {
    expect(found()).toMatchObject({
      regions: [[[true, 256, 2048]], [[true, 256, 2048]]],
      shared: [
        [
          ["FP32", [1, 2]],
          ["BYTES", [1, 3]],
        ],
        [5, 6],
        ["one", "", "three"],
      ],
      unset: [5, 6],
      unregistered: [],
      mapped: [],
    });
    expect(found().shared_errors).toEqual({
      twice: refused("400", "ALREADY_EXISTS", /^shared memory region 'nereid_test_.*' already in manager$/),
      no_object: refused("500", "INTERNAL", /^Unable to open shared memory region: '\/nereid_test_.*_other'$/),
      too_large: invalid("failed to register shared memory region 'other': invalid args"),
      status: refused("404", "NOT_FOUND", "Unable to find system shared memory region: 'nobody'"),
      small: refused(
        "500",
        "INTERNAL",
        /^shared memory size specified with the request for output 'OUTPUT0' \(4 bytes\) should be at least 8 bytes/,
      ),
      beyond: invalid(/^Invalid offset \+ byte size for shared memory region: 'nereid_test_/),
      unknown: refused("404", "NOT_FOUND", "Unable to find shared memory region: 'nobody'"),
    });
    expect(found().cuda).toEqual([[], invalid("failed to register CUDA shared memory region: 'gpu', GPUs not supported")]);
  });

  test("asks for many things at a time, and tells all that it can with one", () => {
    expect(found().at_a_time).toEqual(Array.from({ length: 16 }, (_, index) => index));
    expect(found().told).toBe(9);
  });

  test("is told when a request waits too long, and leaves when it will not wait", () => {
    expect(found().queue_timeout).toEqual(refused("503", "UNAVAILABLE", "Request timeout expired"));
    // Over gRPC client and server both watch the deadline: either may be first.
    expect(found().client_timeout).toMatch(isHttp ? /^TimeoutError$/ : /^StatusCode\.(DEADLINE_EXCEEDED|CANCELLED)$/);
    if (kind === "http") expect(found().not_yet.message).toBe("failed to obtain inference response");
    else expect(found().canceled).toBe(kind === "grpc" ? "StatusCode.CANCELLED" : true);
  });

  test("is told that a model answers any number of times, and streams its answers over gRPC", () => {
    const where = isHttp ? "HTTP end point" : "ModelInfer RPC";
    expect(found().not_decoupled).toEqual(
      refused("501", "UNIMPLEMENTED", `${where} doesn't support models with decoupled transaction policy`),
    );
    if (isHttp) return;
    const answers = (id: string) => [7, 8, 9].map((value) => [id, value, false]);
    expect(found().answers).toEqual(answers("r"));
    if (kind === "grpc") expect(found().answers_final).toEqual([...answers("f"), ["f", null, true]]);
  });

  if (isHttp) {
    test("makes and reads bodies that another sends; the generate extension answers beside it", () => {
      const generated = { model_name: "add_sub", model_version: "1", OUTPUT0: SUM, OUTPUT1: DIFFERENCE };
      expect(found()).toMatchObject({
        by_hand: [[5], "mine", "gzip"],
        generated,
        generated_events: ["text/event-stream; charset=utf-8", [generated]],
      });
    });
  } else {
    test("streams requests of several models, one of which fails, and of a sequence", () => {
      expect(found().streamed).toEqual([
        ["n0", 0, true],
        ["n1", 1, true],
        expect.stringContaining("unexpected inference input 'INPUT' for model 'identity_INT64'"),
        ["n2", 2, true],
        ["n3", 3, true],
        ["mine", 1, true],
        ["mine", 3, true],
        ["mine", 6, true],
      ]);
      expect(found()).toMatchObject({
        channels: [true, true],
        canceled_stream: kind === "grpc" ? "StatusCode.CANCELLED" : "CancelledError",
      });
    });
  }
});
