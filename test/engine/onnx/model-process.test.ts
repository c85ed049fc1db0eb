/** Real runner processes of whole models: the contract, every datatype, every kind of shape, and their end. */
import { afterAll, describe, expect, test } from "vitest";
import { DTYPES, type Dtype, isDtype } from "../../../core/tensor/dtype.ts";
import { bytesElements, joinBytesElements, type Tensor } from "../../../core/tensor/tensor.ts";
import type { Batch, ModelRunnerHandle } from "../../../core/wire/model-runner.ts";
import { modelProcesses } from "../../../node-agent/runners/model-process.ts";
import { modelRunnerContract } from "../../contract/model-runner.ts";
import { type ModelDtype, OnnxModel } from "../../models/onnx-model.ts";
import { addSub, classifier, failing, identity, optionalBias, scalars } from "../../models/small-models.ts";
import { ModelFiles, NEVER, QUIET } from "./model-files.ts";

const files = new ModelFiles();
afterAll(() => files[Symbol.asyncDispose]());

/** y = x and echo = text, with as many products between that a run takes seconds when `products` is large. */
function echo(products: number): Uint8Array {
  const model = new OnnxModel().input("x", "f32", ["N", 4]).input("text", "string", ["N"]);
  model
    .output("y", "f32", ["N", 4])
    .output("echo", "string", ["N"])
    .node({ op: "Identity", inputs: ["text"], outputs: ["echo"] });
  const side = 384;
  if (products === 0) return model.node({ op: "Identity", inputs: ["x"], outputs: ["y"] }).finish();
  model.constant("zero", [4, side], new Float32Array(4 * side)).constant("back", [side, 4], new Float32Array(side * 4));
  model.constant("square", [side, side], new Float32Array(side * side).fill(0.001));
  model.node({ op: "MatMul", inputs: ["square", "square"], outputs: ["s0"] });
  for (let index = 0; index < products; index++) model.node({ op: "MatMul", inputs: [`s${index}`, "square"], outputs: [`s${index + 1}`] });
  model.node({ op: "MatMul", inputs: ["x", "zero"], outputs: ["wide"] });
  model.node({ op: "MatMul", inputs: ["wide", `s${products}`], outputs: ["mixed"] });
  return model
    .node({ op: "MatMul", inputs: ["mixed", "back"], outputs: ["y0"] })
    .node({ op: "Add", inputs: ["y0", "x"], outputs: ["y"] })
    .finish();
}

describe("a runner process", () =>
  modelRunnerContract(async () => {
    const own = new ModelFiles();
    const model = own.write(echo(0));
    return {
      factory: own.factory,
      model,
      // Nothing is folded beforehand: the products are computed in every run.
      slow: { ...own.write(echo(4_000)), optimization: 0 },
      openBroken: (runner, signal) => runner.open({ ...model, file: "/nowhere/model.onnx" }, signal),
      [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
    };
  }));

/** A batch of one request. */
const single = (outputs: readonly string[], ...tensors: readonly Tensor[]): Batch => ({
  inputs: tensors.map(({ name, dtype, shape, data }) => ({ head: { name, dtype, shape }, parts: [data] })),
  outputs,
});

const floats = (name: string, shape: readonly number[], values: readonly number[]): Tensor => ({
  name,
  dtype: "FP32",
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});

const valuesOf = (tensor: Tensor | undefined) => [...new Float32Array(new Uint8Array(tensor?.data ?? []).buffer)];

const MODEL_DTYPES = {
  BOOL: "bool",
  UINT8: "u8",
  UINT16: "u16",
  UINT32: "u32",
  UINT64: "u64",
  INT8: "i8",
  INT16: "i16",
  INT32: "i32",
  INT64: "i64",
  FP16: "f16",
  FP32: "f32",
  FP64: "f64",
  BYTES: "string",
  BF16: "bf16",
} as const satisfies Record<Dtype, ModelDtype>;

const strings = (...texts: readonly string[]) => joinBytesElements(texts.map((text) => new TextEncoder().encode(text)));

function sample(dtype: Dtype, elements: number): Uint8Array {
  if (dtype === "BYTES") return joinBytesElements(Array.from({ length: elements }, (_, index) => new Uint8Array(index * 9).fill(index)));
  const { bytes } = DTYPES[dtype];
  return Uint8Array.from({ length: elements * bytes }, (_, index) => (dtype === "BOOL" ? index % 2 : (index * 31 + 1) % 251));
}

describe.each(Object.keys(DTYPES).filter(isDtype))("datatype %s", (dtype) => {
  test("passes through unchanged, whatever its shape, empty ones and changing ones too", async () => {
    const { runner, signature } = await files.open(identity(MODEL_DTYPES[dtype]));
    expect(signature.inputs).toEqual([{ name: "INPUT0", dtype, shape: [-1, -1], optional: false }]);
    for (const shape of [
      [1, 3],
      [4, 2],
      [0, 3],
      [1, 1],
      [4, 2],
      [3, 0],
    ]) {
      const data = sample(dtype, (shape[0] ?? 0) * (shape[1] ?? 0));
      const { outputs } = await runner.execute(single(["OUTPUT0"], { name: "INPUT0", dtype, shape, data }), NEVER);
      expect(outputs).toEqual([{ name: "OUTPUT0", dtype, shape, data: expect.anything() }]);
      expect([...(outputs[0]?.data ?? [])]).toEqual([...data]);
    }
  });
});

test("strings keep every byte: empty ones, zeros, and what is no text", async () => {
  const { runner } = await files.open(identity("string", ["N"]));
  const elements = [[], [0], [0, 10], [255, 254], [...new TextEncoder().encode("héllo \u0000 wörld")]].map((bytes) =>
    Uint8Array.from(bytes),
  );
  const data = joinBytesElements(elements);
  const { outputs } = await runner.execute(single(["OUTPUT0"], { name: "INPUT0", dtype: "BYTES", shape: [5], data }), NEVER);
  expect(bytesElements(outputs[0]?.data ?? new Uint8Array())).toEqual(elements);
});

test("strings of the same shape do not keep what was there before", async () => {
  const { runner } = await files.open(identity("string", ["N"]));
  for (const texts of [
    ["long text", "b"],
    ["", "longer than before"],
    ["a", ""],
  ]) {
    const data = strings(...texts);
    const { outputs } = await runner.execute(single(["OUTPUT0"], { name: "INPUT0", dtype: "BYTES", shape: [2], data }), NEVER);
    expect([...(outputs[0]?.data ?? [])]).toEqual([...data]);
  }
});

test("as many strings as the shape says, or the batch is refused", async () => {
  const { runner } = await files.open(identity("string", ["N"]));
  const batch = single(["OUTPUT0"], { name: "INPUT0", dtype: "BYTES", shape: [3], data: strings("a", "b") });
  await expect(runner.execute(batch, NEVER)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("scalars come out, and only what was asked for", async () => {
  const { runner, signature } = await files.open(scalars());
  expect(signature.outputs.map(({ shape }) => shape)).toEqual([[], [-1]]);
  const input = floats("VALUES", [2, 3], [1, 2, 3, 4, 5, 6]);
  const both = await runner.execute(single(["ROWS", "TOTAL"], input), NEVER);
  expect(both.outputs.map((output) => [output.name, output.shape, valuesOf(output)])).toEqual([
    ["ROWS", [2], [6, 15]],
    ["TOTAL", [], [21]],
  ]);
  expect((await runner.execute(single(["TOTAL"], input), NEVER)).outputs.length).toBe(1);
});

test("scalars go in", async () => {
  const model = new OnnxModel()
    .input("a", "f32", [])
    .output("b", "f32", [])
    .node({ op: "Add", inputs: ["a", "a"], outputs: ["b"] });
  const { runner } = await files.open(model.finish());
  const { outputs } = await runner.execute(single(["b"], floats("a", [], [21])), NEVER);
  expect([outputs[0]?.shape, valuesOf(outputs[0])]).toEqual([[], [42]]);
});

test("outputs whose shape depends on the data have the shape that they turn out to have", async () => {
  const model = new OnnxModel().input("x", "f32", ["N"]).output("where", "i64", [1, "found"]);
  const { runner } = await files.open(model.node({ op: "NonZero", inputs: ["x"], outputs: ["where"] }).finish());
  for (const values of [
    [0, 1, 0, 1],
    [0, 0, 0, 0],
    [1, 1, 1, 1],
  ]) {
    const { outputs } = await runner.execute(single(["where"], floats("x", [4], values)), NEVER);
    const found = values.flatMap((value, index) => (value === 0 ? [] : [BigInt(index)]));
    expect(outputs[0]?.shape).toEqual([1, found.length]);
    expect([...new BigInt64Array(new Uint8Array(outputs[0]?.data ?? []).buffer)]).toEqual(found);
  }
});

test("a model that is wrong about its outputs' shapes is served all the same", async () => {
  // NonZero gives as many as there are, which the model calls N.
  const model = new OnnxModel().input("x", "f32", ["N"]).output("where", "i64", [1, "N"]);
  const { runner } = await files.open(model.node({ op: "NonZero", inputs: ["x"], outputs: ["where"] }).finish());
  for (const values of [
    [1, 1],
    [0, 1],
    [0, 0],
    [1, 0, 1],
  ]) {
    const { outputs } = await runner.execute(single(["where"], floats("x", [values.length], values)), NEVER);
    expect(outputs[0]?.shape).toEqual([1, values.filter((value) => value !== 0).length]);
  }
});

test("an initializer that is also an input may be given or left out", async () => {
  const { runner, signature } = await files.open(optionalBias());
  expect(signature.inputs.map(({ name, optional }) => [name, optional])).toEqual([
    ["INPUT0", false],
    ["BIAS", true],
  ]);
  const input = floats("INPUT0", [1, 4], [1, 2, 3, 4]);
  const runs = [[input], [input, floats("BIAS", [4], [10, 20, 30, 40])], [input]];
  const values = [];
  for (const tensors of runs) values.push(valuesOf((await runner.execute(single(["OUTPUT0"], ...tensors), NEVER)).outputs[0]));
  expect(values).toEqual([
    [2, 3, 4, 5],
    [11, 22, 33, 44],
    [2, 3, 4, 5],
  ]);
});

test("a run that fails says why in the runtime's words, and the next one is right", async () => {
  const { runner } = await files.open(failing());
  const index = (value: bigint): Tensor => ({
    name: "INDEX",
    dtype: "INT64",
    shape: [1],
    data: new Uint8Array(BigInt64Array.of(value).buffer),
  });
  for (let turn = 0; turn < 3; turn++) {
    await expect(runner.execute(single(["OUTPUT0"], index(9n)), NEVER)).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringMatching(/indices element out of data bounds, idx=9/),
    });
    expect(valuesOf((await runner.execute(single(["OUTPUT0"], index(2n)), NEVER)).outputs[0])).toEqual([30]);
  }
});

test("shapes that the model does not take are refused in the runtime's words", async () => {
  const { runner } = await files.open(classifier(4, 2));
  await expect(runner.execute(single(["SCORES"], floats("X", [1, 5], [1, 2, 3, 4, 5])), NEVER)).rejects.toThrow(
    /Got invalid dimensions for input: X/,
  );
});

test("megabytes go in and out as they are, between small ones", async () => {
  const { runner } = await files.open(identity("u8", ["batch", "length"]));
  for (const length of [10, 9_000_000, 3, 9_000_001, 40_000, 20_000_000]) {
    const data = Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 12)) % 256);
    const parts = [data.subarray(0, length >> 1), data.subarray(length >> 1)];
    const head = { name: "INPUT0", dtype: "UINT8", shape: [1, length] } as const;
    const { outputs } = await runner.execute({ inputs: [{ head, parts }], outputs: ["OUTPUT0"] }, NEVER);
    expect(Buffer.compare(outputs[0]?.data ?? new Uint8Array(), data)).toBe(0);
  }
});

test("several large tensors do not touch one another, and a result stays as it is while the next batch runs", async () => {
  const { runner } = await files.open(addSub(["batch", "length"]));
  const length = 20_001;
  const results: Tensor[][] = [];
  for (const round of [1, 2]) {
    const a = floats(
      "INPUT0",
      [1, length],
      Array.from({ length }, (_, index) => index * round),
    );
    const b = floats("INPUT1", [1, length], Array(length).fill(round));
    results.push([...(await runner.execute(single(["OUTPUT1", "OUTPUT0"], a, b), NEVER)).outputs]);
  }
  for (const [index, outputs] of results.entries()) {
    const round = index + 1;
    expect(valuesOf(outputs[0])).toEqual(Array.from({ length }, (_, at) => at * round - round));
    expect(valuesOf(outputs[1])).toEqual(Array.from({ length }, (_, at) => at * round + round));
  }
});

test("a model with something else than tensors is refused at once", async () => {
  const model = new OnnxModel().input("x", "f32", ["N"]).output("parts", "f32", ["N"]);
  model
    .node({ op: "SplitToSequence", inputs: ["x"], outputs: ["sequence"] })
    .node({ op: "Identity", inputs: ["sequence"], outputs: ["parts"] });
  await expect(files.open(model.finish())).rejects.toMatchObject({ name: "ServingError" });
});

test.each([
  { execution: "parallel" as const, interThreads: 2 },
  { intraThreads: 2 },
  { intraThreads: 0 },
  { optimization: 0 as const },
  { optimization: 1 as const },
  { memoryArena: false, memoryPattern: false },
  { configEntries: { "session.use_env_allocators": "0" } },
])("opened with %o a model gives the same", async (options) => {
  const { runner } = await files.open(classifier(4, 2), options);
  const { outputs } = await runner.execute(single(["SCORES"], floats("X", [2, 4], [1, 2, 3, 4, 0, 0, 0, 0])), NEVER);
  const [a, b, ...rest] = valuesOf(outputs[0]);
  expect((a ?? 0) + (b ?? 0)).toBeCloseTo(1);
  expect(rest).toEqual([0.5, 0.5]);
});

const alive = (runner: ModelRunnerHandle): boolean => {
  try {
    return process.kill(runner.pid ?? 0, 0);
  } catch {
    return false;
  }
};

test("a process killed from outside ends its handle", async () => {
  const { runner } = await files.open(identity());
  process.kill(runner.pid ?? 0, "SIGKILL");
  expect(await runner.exited).toMatchObject({ signal: "SIGKILL" });
  expect(alive(runner)).toBe(false);
});

test("a runner killed while it loads says what it loaded", async () => {
  const runner = files.factory.start();
  const opening = expect(runner.open(files.write(echo(0)), NEVER)).rejects.toThrow(/was ended by SIGKILL while it loaded .*onnx/);
  process.kill(runner.pid ?? 0, "SIGKILL");
  await opening;
});

test("another runtime library is named when it cannot be loaded", async () => {
  const runner = modelProcesses({ logger: QUIET, libraryFile: "/nowhere/lib.so" }).start();
  await expect(runner.open(files.write(identity()), NEVER)).rejects.toThrow(/\/nowhere\/lib\.so/);
  await runner.close();
});
