/** What every runner of a whole model promises; `model-runner.test.ts` runs it on scripted ones, `test/engine/onnx` on processes. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Batch, ModelRunnerFactory, ModelRunnerHandle, OpenModel } from "../../core/wire/model-runner.ts";

const NEVER = new AbortController().signal;

/** Where runners are started. */
export interface ModelRunnerWorld extends AsyncDisposable {
  readonly factory: ModelRunnerFactory;
  /** Gives back its inputs: `x` FP32 [-1, 4] as `y`, `text` BYTES [-1] as `echo`. */
  readonly model: OpenModel;
  /** A model that takes `x` FP32 [-1, 4] and whose batches take much longer than a test may. */
  readonly slow: OpenModel;
  /** Opens something that cannot be opened. */
  openBroken(runner: ModelRunnerHandle, signal: AbortSignal): Promise<unknown>;
}

const floats = (...values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);
const ROW = floats(1, 2, 3, 4);

/** A batch of such rows for `x`, one part each. */
export function rowsBatch(...rows: readonly Uint8Array[]): Batch {
  const head = { name: "x", dtype: "FP32", shape: [rows.length, 4] } as const;
  return { inputs: [{ head, parts: rows }, noText(rows.length)], outputs: ["y"] };
}

const noText = (rows: number) => ({
  head: { name: "text", dtype: "BYTES", shape: [rows] } as const,
  parts: Array.from({ length: rows }, () => new Uint8Array(4)),
});

const valuesOf = (tensor: Tensor | undefined) => [...new Float32Array(new Uint8Array(tensor?.data ?? []).buffer)];

export function modelRunnerContract(open: () => Promise<ModelRunnerWorld>): void {
  let world: ModelRunnerWorld;
  let started: ModelRunnerHandle[];
  const start = (): ModelRunnerHandle => {
    const runner = world.factory.start();
    started.push(runner);
    return runner;
  };
  const opened = async (model = world.model): Promise<ModelRunnerHandle> => {
    const runner = start();
    await runner.open(model, NEVER);
    return runner;
  };
  beforeEach(async () => {
    world = await open();
    started = [];
  });
  afterEach(async () => {
    await Promise.all(started.map((runner) => runner.close()));
    await world[Symbol.asyncDispose]();
  });

  test("an opened runner says what the model takes and gives", async () => {
    expect(await start().open(world.model, NEVER)).toEqual({
      inputs: [
        { name: "x", dtype: "FP32", shape: [-1, 4], optional: false },
        { name: "text", dtype: "BYTES", shape: [-1], optional: false },
      ],
      outputs: [
        { name: "y", dtype: "FP32", shape: [-1, 4], optional: false },
        { name: "echo", dtype: "BYTES", shape: [-1], optional: false },
      ],
    });
  });

  test("no two runners have the same incarnation", () => {
    expect(new Set([start(), start(), start()].map((runner) => runner.incarnation)).size).toBe(3);
  });

  test("parts are joined along the first dimension", async () => {
    const runner = await opened();
    const result = await runner.execute(rowsBatch(ROW, floats(5, 6, 7, 8)), NEVER);
    expect(result.outputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual([{ name: "y", dtype: "FP32", shape: [2, 4] }]);
    expect(valuesOf(result.outputs[0])).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    for (const us of [result.inputUs, result.inferUs, result.outputUs]) expect(us).toBeGreaterThanOrEqual(0);
  });

  test("batches of changing sizes follow one another, and results stay what they were", async () => {
    const runner = await opened();
    const sizes = [1, 3, 2, 1, 8, 3];
    const results = [];
    for (const size of sizes) {
      const rows = Array.from({ length: size }, (_, index) => floats(size, index, 0, 0));
      results.push(await runner.execute(rowsBatch(...rows), NEVER));
    }
    for (const [place, size] of sizes.entries())
      expect(valuesOf(results[place]?.outputs[0])).toEqual(Array.from({ length: size }, (_, index) => [size, index, 0, 0]).flat());
  });

  test("outputs come in the order in which they are wanted", async () => {
    const runner = await opened();
    const text = { head: { name: "text", dtype: "BYTES", shape: [1] } as const, parts: [Uint8Array.of(2, 0, 0, 0, 0, 255)] };
    const x = { head: { name: "x", dtype: "FP32", shape: [1, 4] } as const, parts: [ROW] };
    const { outputs } = await runner.execute({ inputs: [x, text], outputs: ["echo", "y"] }, NEVER);
    expect(outputs.map(({ name }) => name)).toEqual(["echo", "y"]);
    expect([...(outputs[0]?.data ?? [])]).toEqual([2, 0, 0, 0, 0, 255]);
  });

  test("an empty batch gives empty outputs", async () => {
    const runner = await opened();
    const { outputs } = await runner.execute(rowsBatch(), NEVER);
    expect(outputs[0]).toMatchObject({ shape: [0, 4] });
    expect(outputs[0]?.data.byteLength).toBe(0);
  });

  test("what does not fit the model is refused, and the runner goes on", async () => {
    const runner = await opened();
    const [x] = rowsBatch(ROW).inputs;
    const head = { name: "x", dtype: "FP32", shape: [1, 4] } as const;
    const inputs = x === undefined ? [] : [x];
    for (const broken of [
      { inputs: [{ head: { ...head, name: "z" }, parts: [ROW] }], outputs: ["y"] },
      { inputs, outputs: ["z"] },
      { inputs: [{ head, parts: [ROW.subarray(4)] }], outputs: ["y"] },
      { inputs: [{ head: { ...head, dtype: "INT32" as const }, parts: [ROW] }], outputs: ["y"] },
    ])
      await expect(runner.execute(broken, NEVER)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(valuesOf((await runner.execute(rowsBatch(ROW), NEVER)).outputs[0])).toEqual([1, 2, 3, 4]);
  });

  test("a runner executes after it has opened, opens once, and does one thing at a time", async () => {
    const runner = start();
    await expect(runner.execute(rowsBatch(ROW), NEVER)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    await runner.open(world.model, NEVER);
    await expect(runner.open(world.model, NEVER)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    const first = runner.execute(rowsBatch(ROW), NEVER);
    await expect(runner.execute(rowsBatch(ROW), NEVER)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    expect(valuesOf((await first).outputs[0])).toEqual([1, 2, 3, 4]);
  });

  test("what cannot be opened is refused, and the runner can still be closed", async () => {
    const runner = start();
    await expect(world.openBroken(runner, NEVER)).rejects.toMatchObject({ name: "ServingError" });
    await runner.close();
    await runner.exited;
  });

  test("an abort ends a batch that is under way, and the runner goes on", async () => {
    const runner = await opened(world.slow);
    for (let turn = 0; turn < 2; turn++) {
      const controller = new AbortController();
      const running = expect(runner.execute(rowsBatch(ROW), controller.signal)).rejects.toMatchObject({ code: "CANCELLED" });
      controller.abort();
      await running;
    }
  });

  test("an aborted signal begins nothing", async () => {
    const runner = await opened();
    await expect(runner.execute(rowsBatch(ROW), AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(start().open(world.model, AbortSignal.abort("at once"))).rejects.toBe("at once");
  });

  test("opening ends with the signal's reason", async () => {
    const controller = new AbortController();
    const opening = expect(start().open(world.model, controller.signal)).rejects.toBe("too slow");
    controller.abort("too slow");
    await opening;
  });

  test("a runner that dies makes unavailable what it was asked for, and what comes later", async () => {
    const runner = await opened(world.slow);
    const died = { code: "UNAVAILABLE", reason: "runner_died" };
    const running = expect(runner.execute(rowsBatch(ROW), NEVER)).rejects.toMatchObject(died);
    runner.kill();
    await running;
    expect(await runner.exited).toMatchObject({ code: undefined, signal: "SIGKILL" });
    await expect(runner.execute(rowsBatch(ROW), NEVER)).rejects.toMatchObject(died);
    runner.kill();
    await runner.close();
  });

  test("a runner that dies while it opens a model makes that unavailable", async () => {
    const runner = start();
    const opening = expect(runner.open(world.model, NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    runner.kill();
    await opening;
  });

  test("closing ends a runner without a signal, once, however often it is called", async () => {
    const runner = await opened();
    await Promise.all([runner.close(), runner.close()]);
    await runner.close();
    expect(await runner.exited).toMatchObject({ code: 0, signal: undefined });
  });
}
