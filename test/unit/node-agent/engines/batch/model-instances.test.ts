/** What a batch engine does when its model or its runners fail, when it opens and when it ends. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../../core/errors.ts";
import { BatchEngine } from "../../../../../node-agent/engines/batch/batch-engine.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { ScriptedModelRunners } from "../../../../support/scripted/scripted-model-runner.ts";
import { BatchWorld, dynamic, ints, NEVER, OPEN, planOf, QUIET, request, SIGNATURE } from "./batch-world.ts";

describe("failures of the model and its runners", () => {
  test("a failed batch fails its requests with the model's words, and only them", async () => {
    const world = await BatchWorld.open({ maxBatchSize: 2 });
    world.runners.runners[0]?.failNext(new ServingError("INTERNAL", "the graph is broken", { reason: "onnx_runtime" }));
    const sent = [1, 2, 3].map((value) => world.send(request([value])));
    await world.pass(20);
    expect(sent.map(({ error }) => error?.message)).toEqual(["the graph is broken", "the graph is broken", undefined]);
    expect(sent[2]?.values).toEqual([3]);
    expect(world.engine.statistics()).toMatchObject({ failures: { BACKEND: 2 }, executionCount: 1, success: { count: 1 } });
  });

  test("when a runner dies its batch runs once more elsewhere, before what waits", async () => {
    const world = await BatchWorld.open({ instances: 2, maxBatchSize: 1, dynamic: dynamic({ preserveOrdering: false }) });
    const sent = [1, 2, 3, 4].map((value) => world.send(request([value])));
    await world.pass(5);
    world.runners.runners[0]?.kill();
    await world.pass(10);
    expect(sent.map(({ values }) => values)).toEqual([undefined, [2], undefined, undefined]);
    await world.pass(4);
    expect(sent.map(({ values }) => values)).toEqual([undefined, [2], undefined, undefined]);
    await world.pass(5);
    expect(sent.map(({ values }) => values)).toEqual([[1], [2], undefined, undefined]);
    await world.pass(300);
    expect(sent.map(({ values }) => values)).toEqual([[1], [2], [3], [4]]);
  });

  test("a batch of which two runners die fails, and the next ones run", async () => {
    let killing = true;
    const world = await BatchWorld.open({
      script: {
        runMs: ([x], runner) => {
          if (killing && x?.data[0] === 66) queueMicrotask(() => runner.kill());
          return 10;
        },
      },
    });
    const [bad, good] = [world.send(request([66])), world.send(request([1], { inputs: [ints("x", [1, 2], [1, 1])] }))];
    await world.pass(1_000);
    expect(bad.error).toMatchObject({ code: "INTERNAL", message: expect.stringContaining("2 processes died") });
    expect(good.values).toEqual([1, 1]);
    killing = false;
    expect(world.engine.statistics()).toMatchObject({ failures: { BACKEND: 1 }, success: { count: 1 } });
  });

  test("a request that crashes its runner takes nothing else of its batch with it: alone it is tried once more, then it is poison", async () => {
    const world = await BatchWorld.open({
      maxBatchSize: 4,
      script: {
        runMs: ([x], runner) => {
          const values = new Int32Array(Uint8Array.from(x?.data ?? []).buffer);
          if (values.includes(66)) queueMicrotask(() => runner.crash());
          return 10;
        },
      },
    });
    const sent = [1, 66, 2, 3].map((value) => world.send(request([value])));
    await world.pass(1_000);
    expect(sent.map(({ values, error }) => values?.[0] ?? error?.reason)).toEqual([1, "poison_request", 2, 3]);
    expect(world.runners.runners.filter(({ alive }) => !alive)).toHaveLength(2);
    expect(world.engine.statistics()).toMatchObject({ failures: { BACKEND: 1 }, success: { count: 3 } });
  });

  test("a runner that died is started again after pauses that grow", async () => {
    const starts: number[] = [];
    const world = await BatchWorld.open({ deps: { onRestart: () => starts.push(world.clock.now()) } });
    for (let death = 0; death < 4; death++) {
      world.runners.alive[0]?.kill();
      await world.pass(0);
      while (world.runners.alive.length === 0) await world.pass(10);
    }
    const pauses = starts.map((at, index) => at - (starts[index - 1] ?? at));
    expect(pauses).toEqual([0, 10, 20, 40]);
    const sent = world.send(request([1]));
    await world.pass(100);
    expect(sent.values).toEqual([1]);
  });

  test("while no instance comes up requests are told, until one does", async () => {
    const world = await BatchWorld.open();
    for (let index = 0; index < 5; index++) world.runners.openFailures.push(new ServingError("NOT_FOUND", "model.onnx is gone"));
    world.runners.alive[0]?.kill();
    await world.pass(0);
    const waiting = world.send(request([1]));
    await world.pass(350);
    expect(waiting.error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("model.onnx is gone") });
    expect(() => world.send(request([2]))).toThrow(/has no running instance/);
    expect(world.engine.load()).toMatchObject({ instances: 1, instancesReady: 0 });
    await world.pass(10_000);
    const sent = world.send(request([3]));
    await world.pass(10);
    expect(sent.values).toEqual([3]);
  });

  test("an output without the batch's rows fails the batch", async () => {
    const world = await BatchWorld.open({ script: { compute: () => [ints("y", [1, 1], [9])] } });
    const sent = [1, 2].map((value) => world.send(request([value])));
    await world.pass(10);
    expect(sent[0]?.error?.message).toBe(
      "failed to split the output tensor 'y' in responses: expected batch size of 2 in model output, got 1",
    );
  });
});

describe("opening and ending", () => {
  const open = (runners: ScriptedModelRunners, clock: FakeClock, fields: Parameters<typeof planOf>[0] = {}, signal = NEVER) =>
    BatchEngine.open({ model: "m", version: "1", open: OPEN, plan: planOf(fields) }, { runners, clock, logger: QUIET }, signal);

  test("a model that one instance cannot open is not served, and leaves no runner", async () => {
    const clock = new FakeClock();
    const runners = new ScriptedModelRunners({ clock, signature: SIGNATURE });
    runners.openFailures.push(new ServingError("INTERNAL", "no graph"));
    const opening = expect(open(runners, clock, { instances: 3 })).rejects.toThrow("no graph");
    await clock.pass(10);
    await opening;
    expect(runners.alive).toEqual([]);
  });

  test("an opening that is given up leaves no runner", async () => {
    const clock = new FakeClock();
    const runners = new ScriptedModelRunners({ clock, signature: SIGNATURE, openMs: 1_000 });
    const controller = new AbortController();
    const opening = expect(open(runners, clock, {}, controller.signal)).rejects.toBe("too slow");
    await clock.pass(10);
    controller.abort("too slow");
    await clock.pass(10);
    await opening;
    expect(runners.alive).toEqual([]);
  });

  test.each([
    [{ inputs: [] }, "model 'm' needs an input 'x'"],
    [
      { inputs: ["x", "z"].map((name) => ({ name, dims: [1], reshape: undefined, optional: false, ragged: false })) },
      "unexpected inference input 'z'",
    ],
    [{ outputs: [{ name: "w", dims: [1], reshape: undefined, shapedLike: undefined }] }, "unexpected inference output 'w'"],
  ])("a plan that does not fit the model is refused: %#", async (fields, message) => {
    const clock = new FakeClock();
    const opening = expect(open(new ScriptedModelRunners({ clock, signature: SIGNATURE }), clock, fields)).rejects.toThrow(message);
    await clock.pass(10);
    await opening;
  });

  const warmUp = {
    name: "zeros",
    batch: { inputs: [{ head: ints("x", [2, 1], [0, 0]), parts: [new Uint8Array(8)] }], outputs: ["y"] },
    count: 2,
  };

  test("every instance is warmed up before the model is served, and that counts nowhere", async () => {
    const world = await BatchWorld.open({ instances: 2, warmUps: [warmUp] });
    expect(world.runners.batches).toEqual([
      [2, 1],
      [2, 1],
      [2, 1],
      [2, 1],
    ]);
    expect(world.engine.statistics().executionCount).toBe(0);
  });

  test("a warm-up that fails is a load that fails", async () => {
    const clock = new FakeClock();
    const runners = new ScriptedModelRunners({
      clock,
      signature: SIGNATURE,
      compute: () => {
        throw new ServingError("INTERNAL", "too cold");
      },
    });
    const opening = expect(open(runners, clock, { warmUps: [warmUp] })).rejects.toThrow("failed to run warmup sample 'zeros': too cold");
    await clock.pass(10);
    await opening;
    expect(runners.alive).toEqual([]);
  });

  test("draining answers what was taken in and refuses the rest", async () => {
    const world = await BatchWorld.open({ maxBatchSize: 1 });
    const sent = [1, 2].map((value) => world.send(request([value])));
    let drained = false;
    const draining = world.engine.drain().then(() => {
      drained = true;
    });
    expect(() => world.send(request([3], { id: "late" }))).toThrow(
      "[request id: late] Server is stopping, scheduler for model has stopped accepting new inference requests",
    );
    await world.pass(19);
    expect(drained).toBe(false);
    await world.pass(1);
    await draining;
    expect(sent.map(({ values }) => values)).toEqual([[1], [2]]);
    await world.close();
  });

  test("closing fails what is left and ends the runners", async () => {
    const world = await BatchWorld.open({ maxBatchSize: 1, instances: 2 });
    const sent = [1, 2, 3].map((value) => world.send(request([value])));
    await world.pass(1);
    const closing = world.engine[Symbol.asyncDispose]();
    await world.pass(100);
    await closing;
    expect(sent.map(({ error }) => error?.code)).toEqual(["UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE"]);
    expect(world.runners.alive).toEqual([]);
    expect(world.clock.pending).toBe(0);
    await world.engine.drain();
  });
});
