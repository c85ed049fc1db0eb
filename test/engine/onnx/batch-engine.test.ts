/** The batch engine over real runner processes and real ONNX graphs. */
import { afterEach, expect, test, vi } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import type { ServingError } from "../../../core/errors.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { InferHandle } from "../../../core/messages/infer-sink.ts";
import { joinBytesElements, type Tensor } from "../../../core/tensor/tensor.ts";
import type { ModelRunnerFactory, ModelRunnerHandle } from "../../../core/wire/model-runner.ts";
import { BatchEngine } from "../../../node-agent/engines/batch/batch-engine.ts";
import type { BatchPlan } from "../../../node-agent/engines/batch/batch-plan.ts";
import { DYNAMIC_BATCHING } from "../../../node-agent/scheduling/batch-options.ts";
import { addSub, classifier, failing, identity, optionalBias, scalars, slow } from "../../models/small-models.ts";
import { ModelFiles, NEVER, QUIET } from "./model-files.ts";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

interface World {
  readonly engine: BatchEngine;
  readonly runners: ModelRunnerHandle[];
}

const port = (name: string, dims: readonly number[] = [-1]) => ({ name, dims, reshape: undefined });

async function serve(
  bytes: Uint8Array,
  inputs: readonly string[],
  outputs: readonly string[],
  fields: Partial<BatchPlan> = {},
): Promise<World> {
  const files = new ModelFiles();
  open.push(files);
  const runners: ModelRunnerHandle[] = [];
  const factory: ModelRunnerFactory = {
    start() {
      const runner = files.factory.start();
      runners.push(runner);
      return runner;
    },
  };
  const plan: BatchPlan = {
    maxBatchSize: 8,
    dynamic: DYNAMIC_BATCHING,
    instances: 1,
    inputs: inputs.map((name) => ({ ...port(name), optional: name === "BIAS", ragged: false })),
    outputs: outputs.map((name) => ({ ...port(name), shapedLike: undefined })),
    batchInputs: [],
    warmUps: [],
    rates: [],
    ...fields,
  };
  const options = { model: "m", version: "1", open: files.write(bytes), plan };
  const engine = await BatchEngine.open(options, { runners: factory, clock: systemClock, logger: QUIET }, NEVER);
  open.push(engine);
  return { engine, runners };
}

const submit = (inputs: readonly Tensor[], outputs: readonly string[] = []): InferSubmit => ({
  kind: "infer",
  replica: "m/1/0",
  tenant: "",
  id: "",
  remainingMs: undefined,
  traceparent: "",
  priority: 0,
  queueTimeoutUs: 0,
  parameters: new Map(),
  inputs,
  outputs,
});

/** Answers by output name. */
function infer(engine: BatchEngine, request: InferSubmit, started?: (handle: InferHandle) => void): Promise<ReadonlyMap<string, Tensor>> {
  return new Promise((resolve, reject) => {
    const sink = {
      answered: (outputs: readonly Tensor[]) => resolve(new Map(outputs.map((output) => [output.name, output]))),
      failed: (error: ServingError) => reject(error),
    };
    started?.(engine.infer(request, sink));
  });
}

const floats = (name: string, shape: readonly number[], values: readonly number[]): Tensor => ({
  name,
  dtype: "FP32",
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});

const valuesOf = (tensor: Tensor | undefined) => [...new Float32Array(new Uint8Array(tensor?.data ?? []).buffer)];
const ask = (engine: BatchEngine, request: InferSubmit) => infer(engine, request, () => {});

test("a thousand requests at once, of many sizes, each get their own sums and differences", async () => {
  const { engine } = await serve(addSub(["batch", 4]), ["INPUT0", "INPUT1"], ["OUTPUT0", "OUTPUT1"], { instances: 2 });
  const answers = await Promise.all(
    Array.from({ length: 1000 }, async (_, index) => {
      const rows = 1 + (index % 3);
      const a = Array.from({ length: rows * 4 }, (_each, place) => index + place);
      const b = a.map((value) => value * 2);
      const wanted = index % 4 === 0 ? ["OUTPUT1"] : [];
      const got = await ask(engine, submit([floats("INPUT0", [rows, 4], a), floats("INPUT1", [rows, 4], b)], wanted));
      expect([...got.keys()]).toEqual(wanted.length > 0 ? wanted : ["OUTPUT0", "OUTPUT1"]);
      expect(got.get("OUTPUT1")?.shape).toEqual([rows, 4]);
      expect(valuesOf(got.get("OUTPUT1"))).toEqual(a.map((value, place) => value - (b[place] ?? 0)));
      if (wanted.length === 0) expect(valuesOf(got.get("OUTPUT0"))).toEqual(a.map((value, place) => value + (b[place] ?? 0)));
      return rows;
    }),
  );
  const { inferenceCount, executionCount, success, batches } = engine.statistics();
  expect(inferenceCount).toBe(answers.reduce((sum, rows) => sum + rows, 0));
  expect(success.count).toBe(1000);
  expect(executionCount).toBeLessThan(500);
  expect(batches.every(({ batchSize }) => batchSize <= 8)).toBe(true);
});

test("strings of many lengths share a batch", async () => {
  const { engine } = await serve(identity("string"), ["INPUT0"], ["OUTPUT0"]);
  const tensors = Array.from({ length: 40 }, (_, index): Tensor => {
    const elements = [0, 1].map((part) => new Uint8Array((index * 7 + part) % 50).fill(index));
    return { name: "INPUT0", dtype: "BYTES", shape: [1, 2], data: joinBytesElements(elements) };
  });
  const answers = await Promise.all(tensors.map((tensor) => ask(engine, submit([tensor]))));
  expect(answers.map((outputs) => [...(outputs.get("OUTPUT0")?.data ?? [])])).toEqual(tensors.map(({ data }) => [...data]));
  expect(engine.statistics().executionCount).toBeLessThan(20);
});

test("requests with and without an optional input do not share a batch", async () => {
  const { engine } = await serve(optionalBias(), ["INPUT0", "BIAS"], ["OUTPUT0"], { maxBatchSize: 0, dynamic: undefined });
  const x = floats("INPUT0", [1, 4], [1, 2, 3, 4]);
  const answers = await Promise.all([[x], [x, floats("BIAS", [4], [10, 10, 10, 10])], [x]].map((inputs) => ask(engine, submit(inputs))));
  expect(answers.map((outputs) => valuesOf(outputs.get("OUTPUT0")))).toEqual([
    [2, 3, 4, 5],
    [11, 12, 13, 14],
    [2, 3, 4, 5],
  ]);
});

test("a scalar for each row comes out as clients know it", async () => {
  const rows = { name: "ROWS", dims: [1], reshape: [], shapedLike: undefined };
  const { engine } = await serve(scalars(), ["VALUES"], [], { outputs: [rows] });
  const answers = await Promise.all([1, 2, 3].map((value) => ask(engine, submit([floats("VALUES", [1, 2], [value, value])]))));
  expect(answers.map((outputs) => [outputs.get("ROWS")?.shape, valuesOf(outputs.get("ROWS"))])).toEqual([
    [[1, 1], [2]],
    [[1, 1], [4]],
    [[1, 1], [6]],
  ]);
});

test("a batch that fails fails alone", async () => {
  const { engine } = await serve(failing(), ["INDEX"], ["OUTPUT0"], { dynamic: undefined });
  const index = (value: bigint): Tensor => ({
    name: "INDEX",
    dtype: "INT64",
    shape: [1],
    data: new Uint8Array(BigInt64Array.of(value).buffer),
  });
  const settled = await Promise.allSettled([0n, 9n, 3n].map((value) => ask(engine, submit([index(value)]))));
  expect(settled.map((each) => (each.status === "fulfilled" ? valuesOf(each.value.get("OUTPUT0")) : each.reason.code))).toEqual([
    [10],
    "INTERNAL",
    [40],
  ]);
  expect(engine.statistics().failures.BACKEND).toBe(1);
});

test("a slow run whose sender leaves ends early, and the next one is right", async () => {
  const { engine } = await serve(slow(20_000), ["INPUT0"], ["OUTPUT0"]);
  const x = floats(
    "INPUT0",
    [1, 16],
    Array.from({ length: 16 }, (_, index) => index),
  );
  expect(valuesOf((await ask(engine, submit([x]))).get("OUTPUT0"))).toEqual(valuesOf(x));
  let handle: InferHandle | undefined;
  infer(engine, submit([x]), (started) => {
    handle = started;
  }).catch(() => {});
  await vi.waitFor(() => expect(engine.load().running).toBe(1));
  handle?.cancel();
  await vi.waitFor(() => expect(engine.load().running).toBe(0), { interval: 1, timeout: 10_000 });
  expect(valuesOf((await ask(engine, submit([x]))).get("OUTPUT0"))).toEqual(valuesOf(x));
  expect(engine.statistics()).toMatchObject({ executionCount: 2, failures: { CANCELED: 1 } });
});

test("kill -9 of a runner under load loses no request", async () => {
  const { engine, runners } = await serve(classifier(64, 8), ["X"], ["SCORES"], { instances: 2 });
  const x = floats(
    "X",
    [1, 64],
    Array.from({ length: 64 }, (_, index) => index / 64),
  );
  const expected = valuesOf((await ask(engine, submit([x]))).get("SCORES"));
  let sent = 0;
  const loop = async () => {
    while (sent < 600) {
      sent += 1;
      if (sent === 200 || sent === 400) process.kill(runners[sent / 200 - 1]?.pid ?? 0, "SIGKILL");
      const got = valuesOf((await ask(engine, submit([x]))).get("SCORES"));
      expect(got.map((score, place) => Math.abs(score - (expected[place] ?? 0)) < 1e-5)).not.toContain(false);
    }
  };
  await Promise.all(Array.from({ length: 8 }, loop));
  expect(engine.statistics()).toMatchObject({ fail: { count: 0 } });
  await vi.waitFor(() => expect(engine.load().instancesReady).toBe(2), { timeout: 10_000 });
  expect(runners.length).toBeGreaterThan(2);
});

test("unloading ends the processes", async () => {
  const { engine, runners } = await serve(identity(), ["INPUT0"], ["OUTPUT0"], { instances: 2 });
  await engine.drain();
  await engine[Symbol.asyncDispose]();
  for (const runner of runners) expect(await runner.exited).toMatchObject({ code: 0 });
});
