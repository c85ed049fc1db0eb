/** What auto-complete makes of an ONNX model, and what does not fit it. */
import { describe, expect, test } from "vitest";
import { completeFromOnnx } from "../../../../../core/model/config/complete-onnx.ts";
import { configJson } from "../../../../../core/model/config/text/config-json.ts";
import { parseModelConfig } from "../../../../../core/model/config/text/parse-text.ts";
import { judge, ports } from "./judge.ts";

const BATCHING = { inputs: ports("x FP32 -1,4", "n INT64 -1"), outputs: ports("y BYTES -1,-1,2") };
const FIXED = { inputs: ports("x FP32 -1,4"), outputs: ports("y FP32 3,4", "s FP32") };

describe("auto-complete of an ONNX model", () => {
  test("makes a model batch by 4 when the first size of every tensor varies", () => {
    const { configuration } = judge("", { signature: BATCHING });
    expect(configuration).toMatchObject({
      name: "m",
      backend: "onnxruntime",
      platform: "onnxruntime_onnx",
      maxBatchSize: 4,
      inputs: [
        { name: "x", dtype: "FP32", dims: [4], shape: [-1, 4], reshape: undefined },
        { name: "n", dtype: "INT64", dims: [1], shape: [-1, 1], reshape: [] },
      ],
      outputs: [{ name: "y", dtype: "BYTES", dims: [-1, 2], shape: [-1, -1, 2] }],
      scheduler: { kind: "dynamic", preferredBatchSizes: [4], maxQueueDelayUs: 0 },
      instanceGroups: [{ name: "m", kind: "cpu", count: 2 }],
      modelFile: "model.onnx",
    });
  });

  test("keeps all of the sizes of a model that cannot batch; a scalar gets the size 1", () => {
    const { configuration } = judge("", { signature: FIXED });
    expect(configuration).toMatchObject({
      maxBatchSize: 0,
      inputs: [{ dims: [-1, 4], shape: [-1, 4] }],
      outputs: [
        { dims: [3, 4], shape: [3, 4] },
        { name: "s", dims: [1], reshape: undefined },
      ],
      scheduler: { kind: "default" },
    });
  });

  test("leaves a maximum that is given, and adds no batcher for a maximum of 1", () => {
    expect(judge("max_batch_size: 16", { signature: BATCHING }).configuration).toMatchObject({
      maxBatchSize: 16,
      scheduler: { kind: "dynamic", preferredBatchSizes: [16] },
    });
    expect(judge("max_batch_size: 1", { signature: BATCHING }).configuration).toMatchObject({
      maxBatchSize: 1,
      scheduler: { kind: "default" },
    });
  });

  test("takes another default for the maximum, and none at all", () => {
    const { config } = parseModelConfig("", "config.pbtxt");
    expect(completeFromOnnx(config, BATCHING, { defaultMaxBatchSize: 32 }).config.maxBatchSize).toBe(32);
    expect(completeFromOnnx(config, BATCHING, { defaultMaxBatchSize: 0 }).config).toMatchObject({
      maxBatchSize: 0,
      schedulingChoice: { case: undefined },
    });
  });

  test("changes nothing where inputs and outputs are listed completely", () => {
    const text =
      'input { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] } input { name: "n" data_type: TYPE_INT64 dims: [ -1 ] } output { name: "y" data_type: TYPE_STRING dims: [ -1, -1, 2 ] }';
    const { config } = parseModelConfig(text, "config.pbtxt");
    expect(configJson(completeFromOnnx(config, BATCHING).config)).toBe(configJson(config));
    expect(judge(text, { signature: BATCHING }).configuration).toMatchObject({ maxBatchSize: 0, scheduler: { kind: "default" } });
  });

  test("merges tensors by name: what is given stays, what is missing is added", () => {
    const { configuration, messages } = judge('input { name: "n" reshape { } dims: [ 1 ] } output { name: "y" label_filename: "l" }', {
      signature: BATCHING,
    });
    expect(messages).toEqual([]);
    expect(configuration).toMatchObject({
      inputs: [
        { name: "n", dtype: "INT64", dims: [1], reshape: [] },
        { name: "x", dims: [4] },
      ],
      outputs: [{ name: "y", dtype: "BYTES", dims: [-1, 2], labelFile: "l" }],
    });
  });

  test("adds neither outputs to a list of them nor inputs that may be left out", () => {
    const signature = { inputs: ports("x FP32 4", "bias FP32 4?"), outputs: ports("y FP32 4", "z FP32 4") };
    expect(judge('output { name: "z" }', { signature }).configuration).toMatchObject({ inputs: [{ name: "x" }], outputs: [{ name: "z" }] });
  });

  test("leaves controls and states of sequences and tensors of the batch to the server", () => {
    const signature = {
      inputs: ports("x FP32 -1,1", "start INT32 -1,1", "before FP32 -1,2", "sizes INT32 -1"),
      outputs: ports("y FP32 -1,1", "after FP32 -1,2"),
    };
    const text = `batch_input { kind: BATCH_ELEMENT_COUNT target_name: "sizes" data_type: TYPE_INT32 source_input: "x" }
      sequence_batching {
        control_input { name: "start" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }
        state { input_name: "before" output_name: "after" data_type: TYPE_FP32 dims: 2 }
      }`;
    const { configuration, messages } = judge(text, { signature });
    expect(messages).toEqual([]);
    expect(configuration?.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(configuration?.outputs.map(({ name }) => name)).toEqual(["y"]);
  });

  test("refuses a maximum that the model cannot keep", () => {
    expect(judge("max_batch_size: 2", { signature: FIXED }).messages).toEqual([
      "autofill failed for model 'm': model does not support batching while non-zero max_batch_size is specified",
    ]);
  });
});

const X = 'input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }';
const Y = 'output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }';
const SIMPLE = { inputs: ports("x FP32 4"), outputs: ports("y FP32 4") };
const ROWS = { inputs: ports("x FP32 -1,4"), outputs: ports("y FP32 -1,4") };

const MISFITS: readonly (readonly [message: string, text: string, signature: typeof SIMPLE])[] = [
  [
    "unknown Execution Accelerator 'tpu' is requested",
    `${X} ${Y} optimization { execution_accelerators { cpu_execution_accelerator [ { name: "openvino" }, { name: "tpu" } ] } }`,
    SIMPLE,
  ],
  [
    "unable to load model 'm', configuration expects 1 inputs, model provides 2",
    `${X} ${Y}`,
    { inputs: ports("x FP32 4", "z FP32 4"), outputs: SIMPLE.outputs },
  ],
  [
    "unexpected inference output 'w', allowed outputs are: a, y",
    `${X} output { name: "w" data_type: TYPE_FP32 dims: 4 }`,
    { inputs: SIMPLE.inputs, outputs: ports("y FP32 4", "a FP32 4") },
  ],
  ["unexpected inference input 'w', allowed inputs are: x", `input { name: "w" data_type: TYPE_FP32 dims: 4 } ${Y}`, SIMPLE],
  [
    "unable to load model 'm', configuration expects datatype TYPE_INT8 for input 'x', model provides TYPE_FP32",
    `input { name: "x" data_type: TYPE_INT8 dims: 4 } ${Y}`,
    SIMPLE,
  ],
  [
    "unable to load model 'm', configuration expects datatype TYPE_FP32 for output 'y', model provides TYPE_BYTES",
    `${X} ${Y}`,
    { inputs: SIMPLE.inputs, outputs: ports("y BYTES 4") },
  ],
  [
    "model 'm', tensor 'x': the model expects 2 dimensions (shape [-1,4]) but the model configuration specifies 3 dimensions (an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making complete shape [-1,2,4])",
    `max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: [ 2, 4 ] } ${Y}`,
    ROWS,
  ],
  [
    "model 'm', tensor 'x': the model expects 1 dimensions (shape [4]) but the model configuration specifies 1 dimensions (shape [5])",
    `input { name: "x" data_type: TYPE_FP32 dims: 5 } ${Y}`,
    SIMPLE,
  ],
  [
    "model 'm', tensor 'x': for the model to support batching the shape should have at least 1 dimension and the first dimension must be -1; but shape expected by the model is [4]",
    `max_batch_size: 2 ${X} ${Y}`,
    SIMPLE,
  ],
  [
    "model 'm', tensor 'y': the model expects 1 dimensions (shape [-1]) but the model configuration specifies 1 dimensions (shape [4])",
    `${X} ${Y}`,
    { inputs: SIMPLE.inputs, outputs: ports("y FP32 -1") },
  ],
  [
    "unable to load model 'm', scalar tensor 'x', should only provide 1 in the model configuration when the model doesn't support batching. Model configuration provided: [4].",
    `${X} ${Y}`,
    { inputs: ports("x FP32"), outputs: SIMPLE.outputs },
  ],
  [
    "unable to load model 'm', optional input 'x' is not supported for models that support batching",
    `max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: 4 optional: true } ${Y}`,
    { inputs: ports("x FP32 -1,4?"), outputs: ROWS.outputs },
  ],
  [
    "unable to load model 'm', configuration expects model provides input with shape [-1]  for ragged input 'x', model provides [-1,4]",
    `max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: 4 allow_ragged_batch: true } ${Y}`,
    ROWS,
  ],
  [
    "configuration specified sequence control 'c', but model does not provide that input",
    `max_batch_size: 2 ${X} ${Y} sequence_batching { control_input { name: "c" control { int32_false_true: [ 0, 1 ] } } }`,
    ROWS,
  ],
  [
    "unable to load model 'm', sequence control 'c' in model has dims [2] but dims [1] is expected",
    `max_batch_size: 2 ${X} ${Y} sequence_batching { control_input { name: "c" control { int32_false_true: [ 0, 1 ] } } }`,
    { inputs: ports("x FP32 -1,4", "c INT32 -1,2"), outputs: ROWS.outputs },
  ],
  [
    "unable to load model 'm', sequence control 'c', the model expects data-type FLOAT but the model configuration specifies data-type TYPE_INT32",
    `max_batch_size: 2 ${X} ${Y} sequence_batching { control_input { name: "c" control { int32_false_true: [ 0, 1 ] } } }`,
    { inputs: ports("x FP32 -1,4", "c FP32 -1,1"), outputs: ROWS.outputs },
  ],
];

describe("a configuration that does not fit its ONNX model", () => {
  test.each(MISFITS)("is refused with: %s", (message, text, signature) => {
    expect(judge(text, { signature }).messages).toContain(message);
  });

  test.each([
    [
      "sizes that the model leaves open for an input",
      'input { name: "x" data_type: TYPE_FP32 dims: [ 7 ] } output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }',
      { inputs: ports("x FP32 -1"), outputs: ports("y FP32 -1") },
    ],
    ["a reshape to what the model has", `input { name: "x" data_type: TYPE_FP32 dims: [ 2, 2 ] reshape { shape: [ 4 ] } } ${Y}`, SIMPLE],
    ["some of the outputs", `${X} ${Y}`, { inputs: SIMPLE.inputs, outputs: ports("y FP32 4", "z FP32 4") }],
    [
      "an input that may be left out",
      `${X} input { name: "b" data_type: TYPE_FP32 dims: 4 optional: true } ${Y}`,
      { inputs: ports("x FP32 4", "b FP32 4?"), outputs: SIMPLE.outputs },
    ],
    [
      "a ragged input that the model takes flat",
      `max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true } output { name: "y" data_type: TYPE_FP32 dims: 4 }`,
      { inputs: ports("x FP32 -1"), outputs: ports("y FP32 -1,4") },
    ],
  ])("is another than one with %s", (_, text, signature) => {
    expect(judge(text, { signature }).messages).toEqual([]);
  });
});
