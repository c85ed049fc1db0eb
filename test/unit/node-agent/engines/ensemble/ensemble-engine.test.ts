/** Ensembles run their steps as the data allows, answer once, and clean up after themselves. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../../core/errors.ts";
import { ResponseCache } from "../../../../../node-agent/scheduling/response-cache.ts";
import { ints } from "../batch/batch-world.ts";
import { EnsembleWorld, planOf } from "./ensemble-world.ts";

const one = (name: string, value: number) => ints(name, [1], [value]);
const X = [one("X", 5)];

/** Two branches from one step, joined by another. */
const DIAMOND = planOf(
  [
    { model: "join", takes: { L: "left", R: "right" }, gives: { OUT: "Y" } },
    { model: "split", takes: { IN: "X" }, gives: { A: "a", B: "b" } },
    { model: "left", takes: { IN: "a" }, gives: { OUT: "left" } },
    { model: "right", takes: { IN: "b" }, gives: { OUT: "right" } },
  ],
  { inputs: ["X"], outputs: ["Y"] },
);

const CHAIN = planOf(
  [
    { model: "first", takes: { IN: "X" }, gives: { OUT: "t" } },
    { model: "second", takes: { IN: "t" }, gives: { OUT: "Y" } },
  ],
  { inputs: ["X"], outputs: ["Y"] },
);

describe("an ensemble", () => {
  test("runs branches side by side and joins them, each step called with its own names", async () => {
    const world = new EnsembleWorld(DIAMOND);
    const sent = await world.send(X, { id: "7", priority: 3, queueTimeoutUs: 9, parameters: new Map([["sequence_id", 4n]]) });
    expect(world.models.names).toEqual(["split"]);
    await world.models.answer("split", [one("A", 1), one("B", 2)]);
    expect(world.models.names).toEqual(["split", "left", "right"]);
    await world.models.answer("right", [one("OUT", 20)]);
    expect(world.models.names).toHaveLength(3);
    await world.models.answer("left", [one("OUT", 10)]);
    expect(world.models.called.at(-1)?.call).toMatchObject({
      model: "join",
      id: "7",
      priority: 3,
      queueTimeoutUs: 9,
      parameters: new Map([["sequence_id", 4n]]),
      inputs: [
        { name: "L", shape: [1] },
        { name: "R", shape: [1] },
      ],
      outputs: ["OUT"],
    });
    expect(sent.came).toBeUndefined();
    await world.models.answer("join", [one("OUT", 30)]);
    expect(sent.came).toBe("Y[1]=30");
    expect(world.engine.load()).toEqual({ queued: 0, running: 0 });
  });

  test("hands tensors on as they are, without a copy", async () => {
    const world = new EnsembleWorld(CHAIN);
    await world.send(X);
    expect(world.models.called[0]?.call.inputs[0]?.data).toBe(X[0]?.data);
    const between = one("OUT", 6);
    await world.models.answer("first", [between]);
    expect(world.models.called[1]?.call.inputs[0]?.data).toBe(between.data);
  });

  test("runs only the steps that a wanted output needs", async () => {
    const plan = planOf(
      [
        { model: "cheap", takes: { IN: "X" }, gives: { OUT: "Y" } },
        { model: "dear", takes: { IN: "X" }, gives: { OUT: "Z" } },
      ],
      { inputs: ["X"], outputs: ["Y", "Z"] },
    );
    const world = new EnsembleWorld(plan);
    const outcome = await world.send(X, { outputs: ["Y"] });
    expect(world.models.names).toEqual(["cheap"]);
    await world.models.answer("cheap", [one("OUT", 1)]);
    expect(outcome.came).toBe("Y[1]=1");
  });

  test("gives outputs in the order in which they are asked for", async () => {
    const plan = planOf([{ model: "m", takes: { IN: "X" }, gives: { A: "Y", B: "Z" } }], { inputs: ["X"], outputs: ["Y", "Z"] });
    const world = new EnsembleWorld(plan);
    const outcome = await world.send(X, { outputs: ["Z", "Y"] });
    await world.models.answer("m", [one("A", 1), one("B", 2)]);
    expect(outcome.came).toBe("Z[1]=2 Y[1]=1");
  });

  test("calls a step without an optional input that nobody gave, and answers without an output that no model gave", async () => {
    const plan = planOf(
      [
        { model: "first", takes: { IN: "X", HINT: "hint" }, gives: { OUT: "Y", MORE: "Z" } },
        { model: "second", takes: { IN: "Y", MORE: "Z" }, gives: { OUT: "W" } },
      ],
      { inputs: ["X", "hint"], outputs: ["Z", "W"] },
    );
    const world = new EnsembleWorld(plan);
    const outcome = await world.send(X);
    expect(world.models.called[0]?.call.inputs.map(({ name }) => name)).toEqual(["IN"]);
    await world.models.answer("first", [one("OUT", 1)]);
    expect(world.models.called[1]?.call.inputs.map(({ name }) => name)).toEqual(["IN"]);
    await world.models.answer("second", [one("OUT", 3)]);
    expect(outcome.came).toBe("W[1]=3");
  });
});

describe("the batch dimension", () => {
  const plan = (batches: readonly boolean[], maxBatchSize: number) =>
    planOf(
      [
        { model: "first", takes: { IN: "X" }, gives: { OUT: "t" }, batches: batches[0] === true },
        { model: "second", takes: { IN: "t" }, gives: { OUT: "Y" }, batches: batches[1] === true },
      ],
      { inputs: ["X"], outputs: ["Y"], maxBatchSize },
    );

  test("of 1 is taken away before a model without one, and put back after it", async () => {
    const world = new EnsembleWorld(plan([false, true], 4));
    const outcome = await world.send([ints("X", [1, 3], [1, 2, 3])]);
    expect(world.models.called[0]?.call.inputs[0]?.shape).toEqual([3]);
    await world.models.answer("first", [ints("OUT", [3], [4, 5, 6])]);
    expect(world.models.called[1]?.call.inputs[0]?.shape).toEqual([1, 3]);
    await world.models.answer("second", [ints("OUT", [1, 3], [7, 8, 9])]);
    expect(outcome.came).toBe("Y[1,3]=7,8,9");
  });

  test("of more than 1 stays, and the model's own check refuses it", async () => {
    const world = new EnsembleWorld(plan([false, true], 4));
    await world.send([ints("X", [2, 3], [1, 2, 3, 4, 5, 6])]);
    expect(world.models.called[0]?.call.inputs[0]?.shape).toEqual([2, 3]);
  });

  test("is given to a model that batches in an ensemble that does not, and taken from its answer", async () => {
    const world = new EnsembleWorld(plan([true, false], 0));
    const outcome = await world.send([ints("X", [3], [1, 2, 3])]);
    expect(world.models.called[0]?.call.inputs[0]?.shape).toEqual([1, 3]);
    await world.models.answer("first", [ints("OUT", [1, 3], [4, 5, 6])]);
    expect(world.models.called[1]?.call.inputs[0]?.shape).toEqual([3]);
    await world.models.answer("second", [ints("OUT", [3], [7, 8, 9])]);
    expect(outcome.came).toBe("Y[3]=7,8,9");
  });

  test("that is larger than the ensemble allows is refused", async () => {
    const world = new EnsembleWorld(plan([true, true], 1));
    await expect(world.send([ints("X", [2, 1], [1, 2])])).rejects.toMatchObject({
      message: "[request id: <id_unknown>] inference request batch-size must be <= 1 for 'e'",
    });
    expect(world.engine.statistics().failures.OTHER).toBe(1);
  });
});

describe("a step that fails", () => {
  test("fails the request once, in Triton's words, and gives up what runs beside it", async () => {
    const world = new EnsembleWorld(DIAMOND);
    const outcome = await world.send(X);
    await world.models.answer("split", [one("A", 1), one("B", 2)]);
    await world.models.fail("left", new ServingError("UNAVAILABLE", "Exceeds maximum queue size"));
    expect(outcome.came).toBe("UNAVAILABLE in ensemble 'e', Exceeds maximum queue size (step 2, model 'left')");
    expect(world.models.called.find(({ call }) => call.model === "right")?.canceled).toBe(true);
    await world.models.answer("right", [one("OUT", 1)]); // too late
    expect(world.models.names).not.toContain("join");
    expect(world.engine.statistics()).toMatchObject({ fail: { count: 1 }, success: { count: 0 }, failures: { OTHER: 1 } });
    expect(world.engine.load().running).toBe(0);
  });

  test("before it was executed fails the request alike, with the model's own words when they name it", async () => {
    const world = new EnsembleWorld(CHAIN);
    world.models.refusals.set("first", new ServingError("INVALID_ARGUMENT", "unexpected shape for input 'IN' for model 'first'"));
    const outcome = await world.send(X);
    expect(outcome.came).toBe("INVALID_ARGUMENT in ensemble 'e', unexpected shape for input 'IN' for model 'first'");
  });
});

test("a request whose outputs can never be there is told so", async () => {
  // No configuration that passes the checks at load is like this.
  const world = new EnsembleWorld(
    planOf([{ model: "m", takes: { IN: "nobody" }, gives: { OUT: "Y" } }], { inputs: ["X"], outputs: ["Y"] }),
  );
  expect((await world.send(X, { id: "9" })).came).toBe(
    "INVALID_ARGUMENT in ensemble 'e', [request id: 9] unexpected deadlock, at least one output is not set while no more ensemble steps can be made",
  );
});

test("a canceled request cancels what runs of it, says nothing more, and is counted", async () => {
  const world = new EnsembleWorld(DIAMOND);
  const outcome = await world.send(X);
  await world.models.answer("split", [one("A", 1), one("B", 2)]);
  outcome.handle.cancel();
  expect(world.models.called.map(({ canceled }) => canceled)).toEqual([false, true, true]);
  await world.models.answer("left", [one("OUT", 1)]);
  expect(outcome.came).toBeUndefined();
  expect(world.engine.statistics().failures.CANCELED).toBe(1);
  expect(world.engine.load().running).toBe(0);
});

test("no more requests than configured are inside a step; others wait for it, and a canceled one gives its place up", async () => {
  const world = new EnsembleWorld({ ...CHAIN, maxInflight: 1 });
  const [first, second, third] = [await world.send(X), await world.send(X), await world.send(X)];
  expect(world.models.names).toEqual(["first"]);
  second.handle.cancel();
  await world.models.answer("first", [one("OUT", 1)]);
  expect(world.models.names).toEqual(["first", "first", "second"]);
  await world.models.answer("second", [one("OUT", 2)]);
  await world.models.answer("first", [one("OUT", 3)]);
  await world.models.answer("second", [one("OUT", 4)]);
  expect([first.came, second.came, third.came]).toEqual(["Y[1]=2", undefined, "Y[1]=4"]);
});

test("its statistics count requests, with the times of their steps summed", async () => {
  const world = new EnsembleWorld(CHAIN);
  await world.send(X);
  await world.models.answer("first", [one("OUT", 1)]);
  await world.models.answer("second", [one("OUT", 2)]);
  expect(world.engine.statistics()).toMatchObject({
    inferenceCount: 1,
    executionCount: 1,
    success: { count: 1 },
    queue: { count: 1 },
    computeInput: { count: 1, ns: 20_000 },
    computeInfer: { count: 1, ns: 200_000 },
    computeOutput: { count: 1, ns: 2_000_000 },
  });
});

test("its answers are kept when its cache is on, and calls nobody for them", async () => {
  const world = new EnsembleWorld(CHAIN, { cache: new ResponseCache(10_000) });
  await world.send(X);
  await world.models.answer("first", [one("OUT", 1)]);
  await world.models.answer("second", [one("OUT", 2)]);
  expect((await world.send(X)).came).toBe("Y[1]=2");
  expect(world.models.names).toHaveLength(2);
  expect(world.engine.statistics()).toMatchObject({
    inferenceCount: 1,
    cacheHit: { count: 1 },
    cacheMiss: { count: 1 },
    success: { count: 2 },
  });
});

test("draining takes nothing in and waits for what runs; unloading fails that", async () => {
  const world = new EnsembleWorld(CHAIN);
  const outcome = await world.send(X);
  let drained = false;
  const draining = world.engine.drain().then(() => {
    drained = true;
  });
  await expect(world.send(X)).rejects.toMatchObject({ code: "UNAVAILABLE", message: "ensemble 'e' was unloaded; try again" });
  expect(drained).toBe(false);
  await world.engine[Symbol.asyncDispose]();
  await draining;
  expect(outcome.came).toContain("UNAVAILABLE");
  expect(world.models.called[0]?.canceled).toBe(true);
});
