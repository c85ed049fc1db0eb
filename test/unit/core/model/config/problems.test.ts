/** Every mistake in a configuration has Triton's words, a place and a remedy. */
import { describe, expect, test } from "vitest";
import { judge } from "./judge.ts";

const IO = `input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }`;
const PYTHON = `backend: "python" ${IO}`;

const sequence = (body: string): string => `${PYTHON} max_batch_size: 4 sequence_batching { ${body} }`;
const control = (body: string): string => sequence(`control_input { name: "c" control { ${body} } }`);
const state = (body: string): string => sequence(`state { input_name: "s" output_name: "t" data_type: TYPE_FP32 dims: [ 2, -1 ] ${body} }`);
const input = (body: string, batch = 0): string => `backend: "python" max_batch_size: ${batch} input { ${body} }`;
const dynamic = (body: string): string => `${PYTHON} max_batch_size: 4 dynamic_batching { ${body} }`;
const metrics = (body: string): string => `${PYTHON} model_metrics { metric_control { ${body} } }`;
const warmup = (body: string): string => `${PYTHON} model_warmup { name: "w" inputs { key: "x" value { ${body} } } }`;
const batchInput = (body: string): string => `${PYTHON} batch_input { ${body} }`;
const batchOutput = (body: string): string => `${PYTHON} batch_output { ${body} }`;

const CASES: readonly (readonly [message: string, text: string])[] = [
  ["unexpected directory name 'm' for model 'other', directory name must equal model name", `name: "other" ${PYTHON}`],
  ["unexpected platform type 'tensorrt' for m", `platform: "tensorrt" ${IO}`],
  ["unexpected 'platform' and 'backend' pair, got:tensorrt_plan, onnxruntime", `platform: "tensorrt_plan" backend: "onnxruntime" ${IO}`],
  ["Ensemble model 'm' must have platform type 'ensemble' and empty backend type", `platform: "ensemble" backend: "python" ${IO}`],
  ["ensemble scheduling must be set for ensemble m whose platform is ensemble", `platform: "ensemble" ${IO}`],
  ["'max_batch_size' must be non-negative value for m", `${PYTHON} max_batch_size: -1`],
  ["metric control must specify 'metric_identifier'", metrics("")],
  ["metric identifier must specify non-empty 'family'", metrics("metric_identifier { }")],
  ["metric control must specify 'histogram_options'", metrics('metric_identifier { family: "f" }')],
  ["histogram options must specify non-empty 'buckets'", metrics('metric_identifier { family: "f" } histogram_options { }')],
  [
    "Response Cache does not currently support model m with 'decoupled' transaction policy. Please disable the response cache.",
    `${PYTHON} model_transaction_policy { decoupled: true } response_cache { enable: true }`,
  ],
  [
    "Response Cache does not currently support model m with sequence batching scheduler. Please disable the response cache.",
    `${PYTHON} sequence_batching { } response_cache { enable: true }`,
  ],
  ["at least one version must be available under the version policy of model 'm'", `${PYTHON} version_policy { specific { versions: 7 } }`],

  ["model input must specify 'name' for m", input("data_type: TYPE_FP32 dims: 1")],
  ["model input 'x' must specify 'data_type' for m", input('name: "x" dims: 1')],
  ["model input 'x' must specify 'dims' for m", input('name: "x" data_type: TYPE_FP32')],
  ["model output 'y' must specify 'dims' for m", 'backend: "python" output { name: "y" data_type: TYPE_FP32 }'],
  [
    "model input 'x' dimension must be integer >= 1, or -1 to indicate a variable-size dimension for m",
    input('name: "x" data_type: TYPE_FP32 dims: [ 1, 0 ]'),
  ],
  [
    "model input 'x' reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension for m",
    input('name: "x" data_type: TYPE_FP32 dims: [ 2 ] reshape { shape: [ -2 ] }'),
  ],
  [
    "model input 'x' cannot have empty reshape for non-batching model as scalar tensors are not supported for m",
    input('name: "x" data_type: TYPE_FP32 dims: [ 1 ] reshape { }'),
  ],
  [
    "model input 'x' has different size for dims and reshape for m",
    input('name: "x" data_type: TYPE_FP32 dims: [ 4 ] reshape { shape: [ 2, 3 ] }'),
  ],
  ["model input 'x' has different size for dims and reshape for m", input('name: "x" data_type: TYPE_FP32 dims: [ 4 ] reshape { }', 2)],
  [
    "model input 'x' has different size for dims and reshape for m",
    input('name: "x" data_type: TYPE_FP32 dims: [ 4 ] reshape { shape: [ -1 ] }'),
  ],
  [
    "model input 'x' has different size for dims and reshape for m",
    input('name: "x" data_type: TYPE_FP32 dims: [ 2, -1, 3 ] reshape { shape: [ 3, -1, 2 ] }'),
  ],
  [
    "model input 'x' has different number of variable-size dimensions for dims and reshape for m",
    input('name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] reshape { shape: [ -1, -1, 2 ] }'),
  ],
  ["model input NHWC/NCHW require 3 dims for m", input('name: "x" data_type: TYPE_FP32 dims: [ 4 ] format: FORMAT_NHWC')],
  [
    "shape tensors are only supported for TensorRT platform for m",
    input('name: "x" data_type: TYPE_FP32 dims: [ 4 ] is_shape_tensor: true'),
  ],
  [
    "Non-linear IO format is only supported for the TensorRT platform for m",
    input('name: "x" data_type: TYPE_FP32 dims: [ 4 ] is_non_linear_format_io: true'),
  ],
  ["batch input kind 'BATCH_ITEM_SHAPE' expects 1 source input, got 0 for m", batchInput("kind: BATCH_ITEM_SHAPE data_type: TYPE_INT32")],
  ["batch input data type must be TYPE_INT32 or TYPE_FP32 for m", batchInput('source_input: "x" data_type: TYPE_INT64')],
  ["unknown source input name 'z' for m", batchInput('source_input: "z" data_type: TYPE_INT32')],
  [
    "batch output kind 'BATCH_SCATTER_WITH_INPUT_SHAPE' expects 1 source input, got 2 for m",
    batchOutput('target_name: "y" source_input: [ "x", "x" ]'),
  ],
  ["unknown target output name 'z' for m", batchOutput('target_name: "z" source_input: "x"')],
  ["target output name 'y' can only be specified once for m", batchOutput('target_name: [ "y", "y" ] source_input: "x"')],

  ["dynamic batching preferred size must be positive for m", dynamic("preferred_batch_size: 0")],
  ["dynamic batching preferred size must be <= max batch size for m", dynamic("preferred_batch_size: [ 4, 5 ]")],
  ["default priority level must be in range [1, 2] for m", dynamic("priority_levels: 2")],
  ["default priority level must be in range [1, 2] for m", dynamic("priority_levels: 2 default_priority_level: 3")],
  [
    "priority queue policy must have priority level in range [1, 2] for m",
    dynamic("priority_levels: 2 default_priority_level: 1 priority_queue_policy { key: 3 value { } }"),
  ],
  [
    "Only one priority level is allowed when 'preserve_ordering' is true for m",
    dynamic("priority_levels: 2 default_priority_level: 1 preserve_ordering: true"),
  ],
  [
    "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for m",
    dynamic("preserve_ordering: true default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 1 }"),
  ],
  [
    "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for m",
    dynamic(
      "preserve_ordering: true priority_levels: 1 default_priority_level: 1 priority_queue_policy { key: 1 value { timeout_action: DELAY default_timeout_microseconds: 1 } }",
    ),
  ],

  [
    "sequence batching control tensor must have a name for m",
    sequence("control_input { control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }"),
  ],
  [
    "sequence batching control tensor 'c' is specified for multiple control kinds for m",
    sequence('control_input { name: "c" } control_input { name: "c" }'),
  ],
  [
    "sequence batching specifies multiple CONTROL_SEQUENCE_END tensors for m",
    sequence(
      'control_input [ { name: "c" control { kind: CONTROL_SEQUENCE_END int32_false_true: [ 0, 1 ] } }, { name: "d" control { kind: CONTROL_SEQUENCE_END int32_false_true: [ 0, 1 ] } } ]',
    ),
  ],
  [
    "sequence batching must specify either 'int32_false_true', 'fp32_false_true' or 'bool_false_true' for CONTROL_SEQUENCE_READY for m",
    control("kind: CONTROL_SEQUENCE_READY"),
  ],
  [
    "sequence batching specifies more than one from 'int32_false_true', 'fp32_false_true' and 'bool_false_true' for CONTROL_SEQUENCE_START for m",
    control("int32_false_true: [ 0, 1 ] fp32_false_true: [ 0, 1 ]"),
  ],
  [
    "sequence batching control 'bool_false_true' must have exactly 2 entries for CONTROL_SEQUENCE_START for m",
    control("bool_false_true: [ false ]"),
  ],
  [
    "sequence batching must not specify either 'int32_false_true', 'fp32_false_true' or 'bool_false_true' for CONTROL_SEQUENCE_CORRID for m",
    control("kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 int32_false_true: [ 0, 1 ]"),
  ],
  [
    "unexpected data type for control CONTROL_SEQUENCE_CORRID for m. Allowed data types are TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING",
    control("kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_FP32"),
  ],
  ["sequence batching preferred batch size must be positive for m", sequence("oldest { preferred_batch_size: -1 }")],
  ["sequence batching preferred batch size must be <= max batch size for m", sequence("oldest { preferred_batch_size: 5 }")],
  ["sequence batching minimum slot utilization must be in range (0.0, 1.0] for m", sequence("direct { minimum_slot_utilization: 1.5 }")],
  [
    "initial_state field for state input 's' must contain exactly one or zero element. Found '2' elements.",
    state("initial_state { } initial_state { }"),
  ],
  [
    "The data type used for 'initial_state' field of state 's' does not match the state data type.",
    state("initial_state { data_type: TYPE_INT8 }"),
  ],
  ["Field 'name' must be set when using initial_state for state input 's'.", state("initial_state { data_type: TYPE_FP32 }")],
  ["State input name 's' specified more than once.", state('} state { input_name: "s" output_name: "u" data_type: TYPE_FP32 dims: 1')],
  [
    "Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions for state input 's'. 1 != 2",
    state('initial_state { name: "i" data_type: TYPE_FP32 dims: 2 }'),
  ],
  [
    "'initial_state' field for state input name 's' contains variable dimensions.",
    state('initial_state { name: "i" data_type: TYPE_FP32 dims: [ 2, -1 ] }'),
  ],
  [
    "'initial_state' dim for input name 's' doesn't match 'state' dim description. 3 != 2",
    state('initial_state { name: "i" data_type: TYPE_FP32 dims: [ 3, 1 ] zero_data: true }'),
  ],
  [
    "initial_state setting expects state's' to have state_data set",
    state('initial_state { name: "i" data_type: TYPE_FP32 dims: [ 2, 1 ] }'),
  ],
  [
    "In order to 'use_growable_memory', you must also enable 'use_single_buffer' for state input name 's'.",
    state("use_growable_memory: true"),
  ],

  [
    "instance group g of model m has kind KIND_GPU but server does not support GPUs",
    `${PYTHON} instance_group { name: "g" kind: KIND_GPU }`,
  ],
  ["instance group m_0 of model m has kind KIND_CPU but specifies one or more GPUs", `${PYTHON} instance_group { gpus: 0 }`],
  [
    "instance group m_0 of model m has kind KIND_MODEL but specifies one or more GPUs",
    `${PYTHON} instance_group { kind: KIND_MODEL gpus: 0 }`,
  ],
  [
    "warmup setting expects all variable-size dimensions are specified for input 'x'",
    warmup("data_type: TYPE_FP32 dims: -1 zero_data: true"),
  ],
  ["warmup setting expects input 'x' to have input_data_type set", warmup("data_type: TYPE_FP32 dims: 1")],
];

describe("a load is refused", () => {
  test.each(CASES)("with: %s", (message, text) => {
    const { problems, configuration } = judge(text);
    expect(problems[0]?.message).toBe(message);
    expect(problems[0]?.fix).not.toBe("");
    expect(configuration).toBeUndefined();
  });

  test("when no backend can be found", () => {
    const { messages } = judge("", { files: ["config.pbtxt", "1/weights.bin"] });
    expect(messages).toEqual([
      "Invalid model name: Could not determine backend for model 'm' with no backend in model configuration. Expected model name of the form 'model.<backend_name>'.",
    ]);
  });
});

describe("a problem", () => {
  test("has the line of the field that it is about", () => {
    const text = `backend: "python"\n${IO}\nmax_batch_size: 4\ndynamic_batching {\n  preferred_batch_size: [ 4,\n    9 ]\n}`;
    const { problems, draft } = judge(text);
    expect(problems.map(({ path }) => draft.positions?.positionOf(path))).toEqual([{ line: 6, column: 5 }]);
  });

  test("does not hide the others", () => {
    const { messages } = judge(
      `${PYTHON} max_batch_size: -1 instance_group { kind: KIND_GPU } response_cache { enable: true } model_transaction_policy { decoupled: true }`,
    );
    expect(messages).toHaveLength(3);
  });
});

describe("what is no mistake", () => {
  test.each([
    [
      "a reshape between equal runs of sizes",
      input('name: "x" data_type: TYPE_FP32 dims: [ 2, 4, -1, 6 ] reshape { shape: [ 8, -1, 1, 6 ] }'),
    ],
    [
      "an empty reshape of one element in a model that batches",
      input('name: "x" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] }', 4),
    ],
    ["a backend that nobody knows, with any platform", `backend: "mine" platform: "anything" ${IO}`],
    [
      "delay without a timeout where the order is preserved",
      dynamic("preserve_ordering: true default_queue_policy { timeout_action: DELAY }"),
    ],
    ["a sequence batcher without controls", sequence("")],
    ["slots without a least utilization", sequence("direct { minimum_slot_utilization: 0 }")],
    ["a model without inputs", 'backend: "python"'],
  ])("is served: %s", (_, text) => {
    expect(judge(text).messages).toEqual([]);
  });
});
