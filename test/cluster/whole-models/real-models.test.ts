/** Real models give what ONNX Runtime gives in Python, and ONNX's own test cases what ONNX says. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readElements } from "../../../client/elements.ts";
import type { OutputTensor } from "../../../client/output-tensor.ts";
import { rawTensor } from "../../../client/tensor-input.ts";
import type { Dtype } from "../../../core/tensor/dtype.ts";
import { pythonJson } from "../../support/python.ts";
import { type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const SCRIPT = fileURLToPath(new URL("expected_outputs.py", import.meta.url));
const VOICE_MODELS = path.dirname(fileURLToPath(import.meta.resolve("@ricky0123/vad-web")));

/** One of each kind: products, recurrence, control flow, strings, images, integers, shapes that depend on values. */
const OPERATORS = [
  "test_conv_with_strides_padding",
  "test_lstm_with_peepholes",
  "test_attention_4d",
  "test_layer_normalization_4d_axis1",
  "test_einsum_batch_matmul",
  "test_matmulinteger",
  "test_quantizelinear",
  "test_top_k",
  "test_unique_sorted_with_axis",
  "test_nonmaxsuppression_two_batches",
  "test_resize_upsample_sizes_cubic",
  "test_gridsample_bilinear",
  "test_loop11",
  "test_scan9_sum",
  "test_strnormalizer_nostopwords_nochangecase",
  "test_string_split_basic",
  "test_bitshift_left_uint64",
  "test_scatternd",
];

interface ExpectedTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Base64. */
  readonly data: string;
}

interface Case {
  readonly model: string;
  readonly inputs: readonly ExpectedTensor[];
  readonly outputs: readonly ExpectedTensor[];
}

interface Voice {
  readonly steps: readonly { readonly piece: ExpectedTensor; readonly probability: number }[];
  /** The state to begin with. */
  readonly zeros: readonly ExpectedTensor[];
  /** The state at the end, by its input's name. */
  readonly last: Readonly<Record<string, ExpectedTensor>>;
  /** Outputs that are the state's inputs in the next step, in their order. */
  readonly carried: readonly string[];
}

const bytesOf = ({ data }: ExpectedTensor): Uint8Array => new Uint8Array(Buffer.from(data, "base64"));
/** Scalars are one element to clients, as in Triton. */
const shown = (shape: readonly number[]): readonly number[] => (shape.length === 0 ? [1] : shape);
const inputOf = (tensor: ExpectedTensor) => rawTensor(tensor.name, tensor.dtype, shown(tensor.shape), bytesOf(tensor));

const repository = new ModelRepository();
let cluster: ModelCluster;
let cases: readonly Case[];

beforeAll(async () => {
  for (const name of ["silero_vad_v5", "silero_vad_legacy"])
    repository.put(name, { "1/model.onnx": readFileSync(path.join(VOICE_MODELS, `${name}.onnx`)) });
  cases = Object(await pythonJson(SCRIPT, ["operators", repository.folder, ...OPERATORS]));
  const config = "instance_group { count: 1 kind: KIND_CPU }";
  for (const { model } of cases) repository.put(model, { "config.pbtxt": config });
  cluster = await startModelCluster(repository.folder);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

/** Equal, or of floats as near as another order of the same sums makes them. */
function expectClose(found: OutputTensor, expected: ExpectedTensor): void {
  expect(found.dtype).toBe(expected.dtype);
  expect(found.shape).toEqual(shown(expected.shape));
  const wanted = Array.from<unknown>(readElements(expected.dtype, bytesOf(expected)));
  const got = Array.from<unknown>(found.data);
  expect(got).toHaveLength(wanted.length);
  for (const [place, value] of wanted.entries()) {
    if (typeof value !== "number" || !Number.isFinite(value)) expect(got[place]).toEqual(value);
    else expect(Math.abs(Number(got[place]) - value)).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(value));
  }
}

describe("ONNX's test case", () => {
  test.each(OPERATORS)("%s gives what ONNX says", async (name) => {
    const one = cases.find(({ model }) => model === name);
    const inputs = one?.inputs.map(inputOf) ?? [];
    const { outputs } = await cluster.client.infer({ model: name, inputs });
    expect(outputs.map((output) => output.name)).toEqual(one?.outputs.map((output) => output.name));
    for (const expected of one?.outputs ?? []) {
      const found = outputs.find((output) => output.name === expected.name);
      if (found !== undefined) expectClose(found, expected);
    }
  });
});

describe("Silero's voice detector", () => {
  test.each(["silero_vad_v5", "silero_vad_legacy"])(
    "%s hears the same as in Python, with its state carried by the client",
    async (model) => {
      const voice: Voice = Object(await pythonJson(SCRIPT, ["voice", path.join(VOICE_MODELS, `${model}.onnx`)]));
      const [rate] = (await cluster.client.modelMetadata(model)).inputs.filter(({ name }) => name === "sr");
      const sr = rawTensor("sr", "INT64", rate?.shape ?? [], new Uint8Array(BigInt64Array.of(16_000n).buffer));
      let state = voice.zeros.map(inputOf);
      for (const { piece, probability } of voice.steps) {
        const result = await cluster.client.infer({ model, inputs: [inputOf(piece), sr, ...state] });
        expect(result.output("output").as("FP32")[0]).toBeCloseTo(probability, 4);
        state = state.map(({ name }, place) => result.output(voice.carried[place] ?? "").asInput(name));
      }
      for (const tensor of state) {
        const wanted = new Float32Array(bytesOf(voice.last[tensor.name] ?? { name: "", dtype: "FP32", shape: [], data: "" }).buffer);
        readElements("FP32", tensor.data).forEach((value, place) => {
          expect(value).toBeCloseTo(wanted[place] ?? Number.NaN, 3);
        });
      }
    },
  );
});
