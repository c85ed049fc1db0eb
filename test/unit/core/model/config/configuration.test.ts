/** What the rest of Nereid sees of a configuration. */
import { describe, expect, test } from "vitest";
import { normalizeConfig, normalizeInstanceGroups } from "../../../../../core/model/config/normalize.ts";
import { draftConfig } from "../../../../../core/model/config/prepare.ts";
import { parseModelConfig } from "../../../../../core/model/config/text/parse-text.ts";
import { toConfiguration } from "../../../../../core/model/config/to-configuration.ts";
import { chooseVersions, versionsOf } from "../../../../../core/model/config/version-policy.ts";
import { EVERYTHING } from "./everything.ts";
import { judge } from "./judge.ts";

const configurationOf = (text: string) =>
  toConfiguration(normalizeInstanceGroups(normalizeConfig(parseModelConfig(text, "config.pbtxt").config)));

describe("a configuration as plain values", () => {
  const all = configurationOf(EVERYTHING);

  test("has tensors with the shapes that clients send and those that the model sees", () => {
    expect(all.inputs).toEqual([
      {
        name: "A",
        dtype: "FP32",
        dims: [3, -1, 224],
        shape: [-1, 3, -1, 224],
        reshape: undefined,
        optional: false,
        ragged: false,
      },
      { name: "B", dtype: "BYTES", dims: [1], shape: [-1, 1], reshape: [], optional: true, ragged: false },
      { name: "R", dtype: "BF16", dims: [-1], shape: [-1, -1], reshape: undefined, optional: false, ragged: true },
    ]);
    expect(all.outputs).toEqual([{ name: "Y", dtype: "FP64", dims: [2, 5], shape: [-1, 2, 5], reshape: [10], labelFile: "labels.txt" }]);
    expect(all.batchInputs).toEqual([
      { kind: "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", targets: ["INDEX"], dtype: "FP32", source: "R" },
    ]);
    expect(all.batchOutputs).toEqual([{ targets: ["Y"], source: "R" }]);
  });

  test("has a dynamic batcher with its queue policies", () => {
    expect(all.scheduler).toEqual({
      kind: "dynamic",
      preferredBatchSizes: [4, 8],
      maxQueueDelayUs: 500,
      preserveOrdering: false,
      priorityLevels: 3,
      defaultPriorityLevel: 2,
      defaultQueuePolicy: { timeoutAction: "delay", defaultTimeoutUs: 1000, allowTimeoutOverride: true, maxQueueSize: 7 },
      priorityQueuePolicies: new Map([[1, { timeoutAction: "reject", defaultTimeoutUs: 0, allowTimeoutOverride: false, maxQueueSize: 1 }]]),
    });
  });

  test("has executors, warm-up samples, parameters and everything else that is set", () => {
    expect(all).toMatchObject({
      versionPolicy: { kind: "specific", versions: [1, 3] },
      responseCache: false,
      decoupled: true,
      modelFile: "other.onnx",
      optimization: { graphLevel: 1 },
      parameters: new Map([
        ["intra_op_thread_count", "4"],
        ["session.dynamic_block_base", "4"],
      ]),
      histogramBuckets: new Map([["nv_inference_first_response_histogram_ms", [0.5, 1, 2.5]]]),
      instanceGroups: [
        {
          name: "g",
          kind: "cpu",
          count: 3,
          passive: false,
          resources: [{ name: "R1", global: true, count: 4 }],
          priority: 2,
        },
        { name: "all_1", kind: "model", count: 1, passive: true, resources: [], priority: 1 },
      ],
      warmups: [
        {
          name: "w",
          batchSize: 2,
          count: 3,
          inputs: [
            { name: "A", dtype: "FP32", dims: [3, 4, 224], data: { kind: "random" } },
            { name: "B", dtype: "BYTES", dims: [1], data: { kind: "file", file: "b" } },
          ],
        },
      ],
    });
  });

  test("has sequences with the direct strategy unless another is chosen", () => {
    const { configuration } = judge(`backend: "python" max_batch_size: 4 sequence_batching {
      control_input [
        { name: "S" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } },
        { name: "E" control { kind: CONTROL_SEQUENCE_END bool_false_true: [ false, true ] } },
        { name: "C" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING } }
      ]
      state [
        { input_name: "a" output_name: "b" data_type: TYPE_INT32 dims: [ -1 ] },
        { input_name: "c" output_name: "d" data_type: TYPE_FP32 dims: [ 2 ] initial_state { name: "i" data_type: TYPE_FP32 dims: [ 2 ] data_file: "f" } use_same_buffer_for_input_output: true }
      ] }`);
    expect(configuration?.scheduler).toEqual({
      kind: "sequence",
      strategy: { kind: "direct", maxQueueDelayUs: 0, minimumSlotUtilization: 0 },
      idleUs: 1_000_000,
      iterative: false,
      controls: [
        { kind: "start", name: "S", dtype: "FP32", falseValue: 0, trueValue: 1 },
        { kind: "end", name: "E", dtype: "BOOL", falseValue: 0, trueValue: 1 },
        { kind: "corrid", name: "C", dtype: "BYTES" },
      ],
      states: [
        { inputName: "a", outputName: "b", dtype: "INT32", dims: [-1], initial: { kind: "none" } },
        { inputName: "c", outputName: "d", dtype: "FP32", dims: [2], initial: { kind: "file", file: "f", dims: [2] } },
      ],
    });
  });

  test("has candidates of the oldest strategy: as many as a batch has rows unless told", () => {
    expect(judge('backend: "python" max_batch_size: 4 sequence_batching { oldest { } }').configuration?.scheduler).toMatchObject({
      strategy: { kind: "oldest", maxCandidateSequences: 4, preferredBatchSizes: [4], maxQueueDelayUs: 0, preserveOrdering: false },
    });
    expect(judge('backend: "python" sequence_batching { oldest { max_candidate_sequences: 9 } }').configuration?.scheduler).toMatchObject({
      strategy: { kind: "oldest", maxCandidateSequences: 9, preferredBatchSizes: [] },
    });
  });

  test.each([
    ["", 99],
    ["graph { level: 0 }", 99],
    ["graph { level: 1 }", 2],
    ["graph { level: 2 }", 0],
    ["graph { level: -1 }", 1],
  ])("turns optimization '%s' into the runtime's level %i", (body, level) => {
    expect(configurationOf(`optimization { ${body} }`).optimization.graphLevel).toBe(level);
  });
});

describe("defaults", () => {
  test("are those of the backend for instances: two of ONNX Runtime on a CPU, one of others", () => {
    expect(configurationOf('name: "a" backend: "onnxruntime"').instanceGroups).toMatchObject([{ name: "a", count: 2, kind: "cpu" }]);
    expect(configurationOf('name: "a" backend: "onnxruntime" instance_group { }').instanceGroups).toMatchObject([
      { name: "a_0", count: 2 },
    ]);
    expect(configurationOf('name: "a" backend: "python"').instanceGroups).toMatchObject([{ count: 1 }]);
  });

  test.each([
    ["1/model.onnx", "onnxruntime", "onnxruntime_onnx", "model.onnx"],
    ["1/model.onnx/weights", "onnxruntime", "onnxruntime_onnx", "model.onnx"],
    ["3/model.plan", "tensorrt", "tensorrt_plan", "model.plan"],
    ["1/model.pt", "pytorch", "pytorch_libtorch", "model.pt"],
    ["1/model.py", "python", "", "model.py"],
    ["1/model.xml", "openvino", "", "model.xml"],
    ["1/model.gguf", "llm", "", "model.gguf"],
  ])("of a folder with %s are backend %s", (file, backend, platform, modelFile) => {
    const { config } = draftConfig({ name: "m", files: [file] }, { kind: "none" });
    expect(config).toMatchObject({ name: "m", backend, platform, defaultModelFilename: modelFile });
  });

  test("come from the given platform or file name before the folder's files", () => {
    const draft = (text: string) => draftConfig({ name: "m", files: ["1/model.py"] }, { kind: "file", name: "config.pbtxt", text }).config;
    expect(draft('platform: "onnxruntime_onnx"')).toMatchObject({ backend: "onnxruntime", defaultModelFilename: "model.onnx" });
    expect(draft('default_model_filename: "model.onnx"')).toMatchObject({ backend: "onnxruntime", platform: "onnxruntime_onnx" });
    expect(draft('backend: "mine"')).toMatchObject({ backend: "mine", platform: "", defaultModelFilename: "" });
  });

  test("of a model called NAME.BACKEND with no known file are that backend", () => {
    expect(draftConfig({ name: "echo.identity", files: ["1/x"] }, { kind: "none" }).config).toMatchObject({
      backend: "identity",
      defaultModelFilename: "model.identity",
    });
  });
});

describe("versions", () => {
  const files = ["config.pbtxt", "1/model.onnx", "10/model.onnx", "9/a/b", "01/model.onnx", "0/x", "abc/x", "warmup/x", "7"];

  test("are folders named by a number without leading zeros", () => {
    expect(versionsOf(files)).toEqual([10, 9, 1]);
  });

  test("are served as the policy says: highest first, specific ones that are missing told", () => {
    const available = versionsOf(files);
    expect(chooseVersions({ kind: "latest", count: 1 }, available)).toEqual({ served: [10], missing: [] });
    expect(chooseVersions({ kind: "latest", count: 5 }, available)).toEqual({ served: [10, 9, 1], missing: [] });
    expect(chooseVersions({ kind: "all" }, available)).toEqual({ served: [10, 9, 1], missing: [] });
    expect(chooseVersions({ kind: "specific", versions: [1, 3] }, available)).toEqual({ served: [1], missing: [3] });
    expect(chooseVersions({ kind: "all" }, [])).toEqual({ served: [], missing: [] });
  });
});
