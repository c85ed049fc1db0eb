/** What the core checks of an inference request: its order and its words. */
import { expect, test } from "vitest";
import { checkInferRequest, inSignatureOrder } from "../../../../core/model/check-inputs.ts";
import type { Dtype } from "../../../../core/tensor/dtype.ts";
import { joinBytesElements, type Tensor } from "../../../../core/tensor/tensor.ts";
import type { InferRequest } from "../../../../gateway/serving/inference.ts";
import type { ModelView, TensorSpec } from "../../../../gateway/serving/model-catalog.ts";

const spec = (name: string, dtype: Dtype, shape: readonly number[], optional = false): TensorSpec => {
  return { name, dtype, shape, optional, ragged: false, labels: [] };
};

const VIEW: ModelView = {
  name: "M",
  version: "1",
  versions: ["1"],
  platform: "onnxruntime_onnx",
  maxBatchSize: 0,
  decoupled: false,
  inputs: [spec("A", "FP32", [2]), spec("B", "FP32", [-1, 2])],
  outputs: [spec("OUT", "FP32", [2])],
  configJson: "{}",
};
const BATCHED: ModelView = { ...VIEW, maxBatchSize: 4, inputs: [spec("A", "FP32", [-1, 16]), spec("B", "FP32", [-1, 1])] };
const OPTIONAL: ModelView = { ...VIEW, inputs: [spec("A", "FP32", [2]), spec("B", "FP32", [-1, 2], true), spec("C", "INT8", [1], true)] };
const TEXT: ModelView = { ...VIEW, inputs: [spec("A", "BYTES", [-1])] };

const tensor = (name: string, shape: readonly number[], bytes: number, dtype: Dtype = "FP32"): Tensor => {
  return { name, dtype, shape, data: new Uint8Array(bytes) };
};
const strings = (count: number, ...elements: readonly string[]): Tensor => {
  return { name: "A", dtype: "BYTES", shape: [count], data: joinBytesElements(elements.map((text) => Buffer.from(text))) };
};

function check(view: ModelView, inputs: readonly Tensor[], more: Partial<InferRequest> = {}): void {
  const request: InferRequest = {
    model: "M",
    version: undefined,
    id: "",
    tenant: "t",
    parameters: new Map(),
    priority: 0,
    timeoutUs: 0,
    inputs,
    outputs: [],
    deadlineMs: undefined,
    traceparent: "",
  };
  checkInferRequest({ ...request, ...more }, view);
}

const A = tensor("A", [2], 8);
const B = tensor("B", [3, 2], 24);

test.each<[string, ModelView, readonly Tensor[]]>([
  ["as the model has them", VIEW, [A, B]],
  ["in another order", VIEW, [B, A]],
  ["with no elements", VIEW, [A, tensor("B", [0, 2], 0)]],
  ["in a batch", BATCHED, [tensor("A", [4, 16], 256), tensor("B", [4, 1], 16)]],
  ["without the optional ones", OPTIONAL, [A]],
  ["with some of the optional ones", OPTIONAL, [A, tensor("C", [1], 1, "INT8")]],
  ["of strings", TEXT, [strings(3, "a", "", "ü")]],
  ["of no strings", TEXT, [strings(0)]],
])("inputs %s are taken", (_, view, inputs) => {
  expect(() => check(view, inputs)).not.toThrow();
});

const required = "Please provide all required input(s).";
const note =
  "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each input shape. If you want " +
  "to specify the full shape including the batch dim in your input dims config, try setting max_batch_size to zero. See the model " +
  "configuration docs for more info on max_batch_size.";
const rows = (count: number, others = count) => [tensor("A", [count, 16], count * 64), tensor("B", [others, 1], others * 4)];

test.each<[ModelView, readonly Tensor[], string]>([
  [VIEW, [], `expected 2 inputs but got 0 inputs for model 'M'. Got input(s) [], but missing required input(s) ['A','B']. ${required}`],
  [VIEW, [B], `expected 2 inputs but got 1 inputs for model 'M'. Got input(s) ['B'], but missing required input(s) ['A']. ${required}`],
  [
    VIEW,
    [A, B, tensor("C", [1], 4)],
    `expected 2 inputs but got 3 inputs for model 'M'. Got input(s) ['A','B','C'], but missing required input(s) []. ${required}`,
  ],
  [
    OPTIONAL,
    [B],
    `expected number of inputs between 1 and 3 but got 1 inputs for model 'M'. Got input(s) ['B'], but missing required input(s) ['A']. ${required}`,
  ],
  [BATCHED, [tensor("A", [], 4), tensor("B", [1, 1], 4)], "input 'A' has no shape but model requires batch dimension for 'M'"],
  [BATCHED, rows(2, 3), "input 'B' batch size does not match other inputs for 'M'"],
  [BATCHED, rows(5), "inference request batch-size must be <= 4 for 'M'"],
  [BATCHED, [tensor("A", [0, 16], 0), tensor("B", [0, 1], 0)], "input byte size mismatch for input 'A' for model 'M'. Expected 64, got 0"],
  [VIEW, [tensor("A", [2], 8, "INT32"), B], "inference input 'A' data-type is 'INT32', but model 'M' expects 'FP32'"],
  [VIEW, [A, tensor("B", [-1, 2], 8)], "All input dimensions should be specified for input 'B' for model 'M', got [-1,2]"],
  [VIEW, [tensor("A", [3], 12), B], "unexpected shape for input 'A' for model 'M'. Expected [2], got [3]. "],
  [VIEW, [A, tensor("B", [2], 8)], "unexpected shape for input 'B' for model 'M'. Expected [-1,2], got [2]. "],
  [
    BATCHED,
    [tensor("A", [1, 8], 32), tensor("B", [1, 1], 4)],
    `unexpected shape for input 'A' for model 'M'. Expected [-1,16], got [1,8]. ${note}`,
  ],
  [VIEW, [A, tensor("B", [3, 2], 20)], "input byte size mismatch for input 'B' for model 'M'. Expected 24, got 20"],
  [TEXT, [strings(3, "a")], "expected 3 string elements for inference input 'A' for model 'M', got 1"],
  [TEXT, [strings(1, "a", "b", "c")], "unexpected number of string elements 2 for inference input 'A' for model 'M', expecting 1"],
  [
    TEXT,
    [{ ...strings(1, ""), data: new Uint8Array(7) }],
    "incomplete string length indicator for inference input 'A' for model 'M', expecting 4 bytes but only 3 bytes available. " +
      "Please make sure the string length indicator is in one buffer.",
  ],
  [
    TEXT,
    [{ ...strings(1, ""), data: Uint8Array.of(9, 0, 0, 0, 65) }],
    "incomplete string for inference input 'A' for model 'M', expecting 9 bytes but only 1 bytes available",
  ],
])("%#: what is wrong is said in Triton's words, after the request's id", (view, inputs, text) => {
  const refused = (message: string) => expect.objectContaining({ name: "ServingError", code: "INVALID_ARGUMENT", message });
  expect(() => check(view, inputs)).toThrow(refused(`[request id: <id_unknown>] ${text}`));
  expect(() => check(view, inputs, { id: "x7" })).toThrow(refused(`[request id: x7] ${text}`));
});

test("unknown names are said without the request's id, as Triton's recorded answers have it", () => {
  expect(() => check(VIEW, [A, B], { outputs: ["OUT", "ZZ"], id: "x" })).toThrow(/^unexpected inference output 'ZZ' for model 'M'$/);
  expect(() => check(VIEW, [A, tensor("ZZ", [1], 4)], { id: "x" })).toThrow(/^unexpected inference input 'ZZ' for model 'M'$/);
});

test("outputs are checked before the number of inputs, and that before everything else", () => {
  expect(() => check(BATCHED, [tensor("A", [9, 9], 0, "INT8")], { outputs: ["ZZ"] })).toThrow("unexpected inference output 'ZZ'");
  expect(() => check(BATCHED, [tensor("A", [9, 9], 0, "INT8")])).toThrow("expected 2 inputs but got 1");
  expect(() => check(BATCHED, [tensor("A", [9, 9], 0, "INT8"), tensor("B", [9, 1], 0)])).toThrow("batch-size must be <= 4");
  expect(() => check(BATCHED, [tensor("A", [1, 9], 0, "INT8"), tensor("B", [1, 1], 0)])).toThrow("data-type is 'INT8'");
  expect(() => check(BATCHED, [tensor("A", [1, 9], 0), tensor("B", [1, 1], 0)])).toThrow("unexpected shape for input 'A'");
});

test("inputs are put into the signature's order, those that are in it stay the same list", () => {
  const [a, b, c] = [tensor("A", [2], 8), tensor("B", [1, 2], 8), tensor("C", [1], 1)];
  const { inputs } = OPTIONAL;
  const ordered = [a, c];
  expect(inSignatureOrder(ordered, inputs)).toBe(ordered);
  expect(inSignatureOrder([c, b, a], inputs)).toEqual([a, b, c]);
  expect(inSignatureOrder([], inputs)).toEqual([]);
});
