/** Whole models of a repository, served by `nereid up` as it is started by people: what clients send comes back right. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ElementArrays, type ElementValues, readElements } from "../../../client/elements.ts";
import { type InferInput, rawTensor, tensor } from "../../../client/tensor-input.ts";
import { seededRandom, systemRandom } from "../../../core/random.ts";
import type { Dtype } from "../../../core/tensor/dtype.ts";
import { type ModelDtype, OnnxModel } from "../../models/onnx-model.ts";
import { addSub, classifier, failing, identity, scalars } from "../../models/small-models.ts";
import { MARKED_MODELS, markedAnswers } from "./marked-tensors.ts";
import { type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

/** Every datatype, with values at its ends. */
const VALUES: { readonly [D in Dtype]: readonly [ModelDtype, ElementValues[D]] } = {
  BOOL: ["bool", [true, false, true, true]],
  UINT8: ["u8", [0, 1, 254, 255]],
  UINT16: ["u16", [0, 1, 65_534, 65_535]],
  UINT32: ["u32", [0, 1, 4_294_967_294, 4_294_967_295]],
  UINT64: ["u64", [0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n]],
  INT8: ["i8", [-128, -1, 0, 127]],
  INT16: ["i16", [-32_768, -1, 0, 32_767]],
  INT32: ["i32", [-2_147_483_648, -1, 0, 2_147_483_647]],
  INT64: ["i64", [-(2n ** 63n), -1n, 2n ** 53n + 1n, 2n ** 63n - 1n]],
  FP16: ["f16", [0.5, -2, 65_504, 2 ** -24]],
  FP32: ["f32", [0.1, -1.5, 3.402_823_466_385_288_6e38, 2 ** -149]],
  FP64: ["f64", [0.1, -1.5, Number.MAX_VALUE, Number.MIN_VALUE]],
  BYTES: ["string", ["", "Grüße", "海", "a\0b"]],
  BF16: ["bf16", [0.5, -2, 3, 2 ** 100]],
};
const DTYPES = Object.keys(VALUES).filter((name): name is Dtype => name in VALUES);

/** OUTPUT = INPUT + BIAS; BIAS is 1 unless a request gives it. */
const BIASED = new OnnxModel()
  .input("INPUT", "f32", [2])
  .input("BIAS", "f32", [2])
  .output("OUTPUT", "f32", [2])
  .constant("BIAS", [2], Float32Array.of(1, 1))
  .node({ op: "Add", inputs: ["INPUT", "BIAS"], outputs: ["OUTPUT"] })
  .finish();
const WITH_BIAS = `input [ { name: "INPUT" data_type: TYPE_FP32 dims: [2] }, { name: "BIAS" data_type: TYPE_FP32 dims: [2] optional: true } ]`;

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  for (const dtype of DTYPES)
    repository.put(`identity_${dtype}`, { "1/model.onnx": identity(VALUES[dtype][0]), "config.pbtxt": ONE_INSTANCE });
  repository
    .put("add_sub", { "1/model.onnx": addSub() })
    .put("classifier", { "1/model.onnx": classifier(3, 4), "config.pbtxt": `max_batch_size: 8 ${ONE_INSTANCE}` })
    .put("table", { "1/model.onnx": failing(), "config.pbtxt": ONE_INSTANCE })
    .put("bias", { "1/model.onnx": BIASED, "config.pbtxt": `${WITH_BIAS} ${ONE_INSTANCE}` })
    .put("scalars", { "1/model.onnx": scalars(), "config.pbtxt": ONE_INSTANCE })
    .put("cached", { "1/model.onnx": addSub(["batch", 2], "i32"), "config.pbtxt": `response_cache { enable: true } ${ONE_INSTANCE}` });
  for (const [name, files] of Object.entries(MARKED_MODELS)) repository.put(name, files);
  cluster = await startModelCluster(repository.folder, { "--response-cache-bytes": "16777216" });
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";

interface JsonTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

async function inferJson(model: string, inputs: readonly JsonTensor[]): Promise<readonly JsonTensor[]> {
  const response = await fetch(`${cluster.url}/v2/models/${model}/infer`, { method: "POST", body: JSON.stringify({ inputs }) });
  const answer: { readonly outputs?: readonly JsonTensor[] } = JSON.parse(await response.text());
  if (answer.outputs === undefined) throw new Error(JSON.stringify(answer));
  return answer.outputs;
}

const plain = (elements: ElementArrays[Dtype]): readonly unknown[] =>
  Array.from<unknown>(elements).map((element) => (element instanceof Uint8Array ? new TextDecoder().decode(element) : element));

describe("a repository of whole models", () => {
  test("is live, and ready when every model is", async () => {
    const { client } = cluster;
    expect([await client.isLive(), await client.isReady(), await client.isModelReady("add_sub")]).toEqual([true, true, true]);
    expect([await client.isModelReady("add_sub", { version: "2" }), await client.isModelReady("nobody")]).toEqual([false, false]);
    const index = await client.repositoryIndex();
    expect(index).toContainEqual({ name: "add_sub", version: "1", state: "READY" });
    expect(index.filter(({ state }) => state !== "READY")).toEqual([]);
  });

  test("tells what it completed: a model without a configuration has one", async () => {
    expect(await cluster.client.modelConfig("add_sub")).toMatchObject({
      backend: "onnxruntime",
      max_batch_size: 0,
      instance_group: [{ count: 2, kind: "KIND_CPU" }],
    });
    expect(await cluster.client.modelMetadata("classifier")).toMatchObject({
      platform: "onnxruntime_onnx",
      versions: ["1"],
      inputs: [{ name: "X", dtype: "FP32", shape: [-1, 3] }],
      outputs: [{ name: "SCORES", dtype: "FP32", shape: [-1, 4] }],
    });
  });

  test("runs each model in a process for each instance, and none twice", () => {
    expect(cluster.runnerPids()).toHaveLength(DTYPES.length + 5 + 2 + 2);
  });
});

describe("an inference", () => {
  test("over JSON is answered with JSON", async () => {
    const four = { datatype: "FP32", shape: [4] };
    const outputs = await inferJson("add_sub", [
      { ...four, name: "INPUT0", data: [1, 2.5, 3, 4] },
      { ...four, name: "INPUT1", data: [10, 20, 30, -40] },
    ]);
    expect(outputs).toEqual([
      { ...four, name: "OUTPUT0", data: [11, 22.5, 33, -36] },
      { ...four, name: "OUTPUT1", data: [-9, -17.5, -27, 44] },
    ]);
  });

  test.each(DTYPES)("gives %s values back exactly, over binary data", async (dtype) => {
    const input = tensor("INPUT0", dtype, [2, 2], VALUES[dtype][1]);
    const { outputs } = await cluster.client.infer({ model: `identity_${dtype}`, inputs: [input] });
    expect(outputs).toMatchObject([{ name: "OUTPUT0", dtype, shape: [2, 2] }]);
    expect(outputs[0]?.bytes).toEqual(new Uint8Array(input.data));
  });

  test.each(["BOOL", "UINT8", "INT32", "FP32", "FP64", "BYTES"] as const)("gives %s values back exactly, over JSON", async (dtype) => {
    const data = plain(readElements(dtype, tensor("INPUT0", dtype, [2, 2], VALUES[dtype][1]).data));
    const values = dtype === "BOOL" ? data.map(Boolean) : data;
    const [output] = await inferJson(`identity_${dtype}`, [{ name: "INPUT0", datatype: dtype, shape: [2, 2], data: values }]);
    expect(output).toEqual({ name: "OUTPUT0", datatype: dtype, shape: [2, 2], data: values });
  });

  test("of several rows computes each as if it were alone", async () => {
    const rows = Float32Array.from({ length: 8 * 3 }, (_, index) => Math.sin(index));
    const all = await cluster.client.infer({ model: "classifier", inputs: [tensor("X", "FP32", [8, 3], rows)] });
    for (let row = 0; row < 8; row++) {
      const own = await cluster.client.infer({
        model: "classifier",
        inputs: [tensor("X", "FP32", [1, 3], rows.slice(row * 3, row * 3 + 3))],
      });
      const together = all
        .output("SCORES")
        .as("FP32")
        .slice(row * 4, row * 4 + 4);
      own
        .output("SCORES")
        .as("FP32")
        .forEach((score, place) => {
          expect(together[place]).toBeCloseTo(score, 5);
        });
    }
  });

  test.each([
    [1, 1],
    [3, 1],
    [2, 7],
    [4, 1000],
  ])("takes a shape that varies, %i by %i", async (batch, length) => {
    const values = Float32Array.from({ length: batch * length }, (_, index) => index % 5);
    const { outputs } = await cluster.client.infer({ model: "scalars", inputs: [tensor("VALUES", "FP32", [batch, length], values)] });
    const sums = Array.from({ length: batch }, (_, row) =>
      values.slice(row * length, row * length + length).reduce((sum, value) => sum + value, 0),
    );
    const rows = outputs.find(({ name }) => name === "ROWS");
    expect([...(rows?.as("FP32") ?? [])]).toEqual(sums);
    expect(rows?.shape[0]).toBe(batch);
  });

  test.each([1, 20])("carries a tensor of %i MB there and back", async (megabytes) => {
    const values = Float32Array.from({ length: megabytes * 250_000 }, (_, index) => index);
    const inputs = [tensor("INPUT0", "FP32", [1, values.length], values)];
    const { outputs } = await cluster.client.infer({ model: "identity_FP32", inputs });
    expect(Buffer.compare(outputs[0]?.bytes ?? new Uint8Array(0), new Uint8Array(values.buffer))).toBe(0);
  });

  test("may leave an optional input out, and then the model's own value counts", async () => {
    const [INPUT, BIAS] = [tensor("INPUT", "FP32", [2], [1, 2]), tensor("BIAS", "FP32", [2], [10, 20])];
    const infer = async (inputs: readonly InferInput[]) => [
      ...(await cluster.client.infer({ model: "bias", inputs })).output("OUTPUT").as("FP32"),
    ];
    expect([await infer([INPUT]), await infer([INPUT, BIAS]), await infer([BIAS, INPUT])]).toEqual([
      [2, 3],
      [11, 22],
      [11, 22],
    ]);
  });

  test("that the model fails on is told with the runtime's words, and the next one is served", async () => {
    const lookUp = (index: number) => cluster.client.infer({ model: "table", inputs: [tensor("INDEX", "INT64", [1, 1], [index])] });
    await expect(lookUp(7)).rejects.toMatchObject({ message: expect.stringContaining("indices element out of data bounds") });
    expect([...(await lookUp(2)).output("OUTPUT0").as("FP32")]).toEqual([30]);
  });

  test.each([
    [
      "a wrong datatype",
      rawTensor("INPUT0", "INT32", [1, 1], new Uint8Array(4)),
      /data-type is 'INT32', but model 'identity_FP32' expects 'FP32'/,
    ],
    ["a wrong rank", rawTensor("INPUT0", "FP32", [1], new Uint8Array(4)), /unexpected shape for input 'INPUT0' for model 'identity_FP32'/],
    ["an unknown input", rawTensor("OTHER", "FP32", [1, 1], new Uint8Array(4)), /unexpected inference input 'OTHER'/],
  ])("with %s is refused before it is run", async (_, input, message) => {
    const before = await cluster.statistics("identity_FP32");
    await expect(cluster.client.infer({ model: "identity_FP32", inputs: [input] })).rejects.toMatchObject({
      status: 400,
      message: expect.stringMatching(message),
    });
    expect((await cluster.statistics("identity_FP32")).executionCount).toBe(before.executionCount);
  });
});

test("large answers are their own requests', whoever hangs up, reads late or asks beside them", async () => {
  const seed = systemRandom.seed();
  const { right, wrong } = await markedAnswers(cluster, seededRandom(seed));
  expect(wrong, `seed ${seed}`).toEqual([]);
  expect(right).toBeGreaterThan(60);
});

describe("the response cache", () => {
  test("answers what was asked before without running it, and counts hits and misses", async () => {
    const ask = async (value: number) => {
      const inputs = ["INPUT0", "INPUT1"].map((name) => tensor(name, "INT32", [1, 2], [value, 1]));
      return [...(await cluster.client.infer({ model: "cached", inputs })).output("OUTPUT0").as("INT32")];
    };
    expect([await ask(1), await ask(2), await ask(1), await ask(1)]).toEqual([
      [2, 2],
      [4, 2],
      [2, 2],
      [2, 2],
    ]);
    const { inferenceStats, executionCount, inferenceCount } = await cluster.statistics("cached");
    expect([inferenceStats.cacheHit.count, inferenceStats.cacheMiss.count, inferenceStats.success.count]).toEqual([2n, 2n, 4n]);
    expect([executionCount, inferenceCount]).toEqual([2n, 2n]);
  });
});
