/** What a batch engine promises: every request one answer, right and in time, whatever its runners do. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../../core/errors.ts";
import type { ParameterValue } from "../../../../../core/messages/parameter-value.ts";
import { ExecutionGate } from "../../../../../node-agent/engines/batch/execution-gate.ts";
import { NO_POLICY } from "../../../../../node-agent/scheduling/batch-options.ts";
import { ResponseCache } from "../../../../../node-agent/scheduling/response-cache.ts";
import { turns } from "../../../../support/fake-clock.ts";
import { BatchWorld, dynamic, ints, request } from "./batch-world.ts";

describe("requests and batches", () => {
  test("requests of one turn run together, and each gets its own rows", async () => {
    const world = await BatchWorld.open();
    const sent = [[1], [2, 3], [4]].map((values) => world.send(request(values)));
    await world.pass(10);
    expect(sent.map(({ values }) => values)).toEqual([[1], [2, 3], [4]]);
    expect(world.runners.batches).toEqual([[4, 1]]);
  });

  test("requests that come while the instance is busy run together afterwards, up to the largest batch", async () => {
    const world = await BatchWorld.open({ maxBatchSize: 4 });
    const first = world.send(request([0]));
    await world.pass(1);
    const sent = [1, 2, 3, 4, 5].map((value) => world.send(request([value])));
    await world.pass(30);
    expect([first, ...sent].map(({ values }) => values)).toEqual([[0], [1], [2], [3], [4], [5]]);
    expect(world.runners.batches).toEqual([
      [1, 1],
      [4, 1],
      [1, 1],
    ]);
  });

  test("requests of other shapes do not share a batch", async () => {
    const world = await BatchWorld.open();
    const sent = [ints("x", [1, 2], [1, 2]), ints("x", [1, 3], [3, 4, 5])].map((x) => world.send(request([], { inputs: [x] })));
    await world.pass(20);
    expect(sent.map(({ values }) => values)).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    expect(world.runners.batches).toEqual([
      [1, 2],
      [1, 3],
    ]);
  });

  test("without a batch dimension every request runs alone, as it is", async () => {
    const world = await BatchWorld.open({ maxBatchSize: 0, dynamic: undefined });
    const sent = [[1, 2], [3]].map((values) => world.send(request(values)));
    await world.pass(20);
    expect(sent.map(({ values }) => values)).toEqual([[1, 2], [3]]);
    expect(world.runners.batches).toEqual([
      [2, 1],
      [1, 1],
    ]);
  });

  test("several instances run batches side by side", async () => {
    const world = await BatchWorld.open({ instances: 3, maxBatchSize: 1 });
    const sent = [1, 2, 3, 4].map((value) => world.send(request([value])));
    await world.pass(10);
    expect(sent.map(({ over }) => over)).toEqual([true, true, true, false]);
    await world.pass(10);
    expect(sent[3]?.values).toEqual([4]);
  });

  test("a part batch waits for its delay, and not longer", async () => {
    const world = await BatchWorld.open({ dynamic: dynamic({ preferred: [4], delayUs: 500_000 }) });
    const sent = world.send(request([1]));
    await world.pass(499);
    expect(world.runners.batches).toEqual([]);
    await world.pass(1);
    expect(world.runners.batches).toEqual([[1, 1]]);
    await world.pass(10);
    expect(sent.values).toEqual([1]);
  });

  test("a request that is too large, or whose inputs do not agree, is refused", async () => {
    const world = await BatchWorld.open({ maxBatchSize: 2 });
    expect(() => world.send(request([1, 2, 3], { id: "a" }))).toThrow("[request id: a] inference request batch-size must be <= 2 for 'm'");
    const torn = [ints("x", [1, 1], [1]), ints("z", [2, 1], [1, 2])];
    expect(() => world.send(request([], { inputs: torn }))).toThrow(
      "[request id: <id_unknown>] input 'z' batch size does not match other inputs for 'm'",
    );
    expect(world.engine.statistics().failures.OTHER).toBe(2);
  });

  test("a request without rows gets an empty answer", async () => {
    const world = await BatchWorld.open();
    const sent = [request([]), request([1])].map((submit) => world.send(submit));
    await world.pass(10);
    expect(sent.map(({ outputs }) => outputs?.[0]?.shape)).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });
});

describe("cancellation and time", () => {
  test("a canceled request that waits never runs, and its sender hears nothing", async () => {
    const world = await BatchWorld.open({ maxBatchSize: 1 });
    const [first, second, third] = [1, 2, 3].map((value) => world.send(request([value])));
    await world.pass(1);
    second?.cancel();
    second?.cancel();
    await world.pass(40);
    expect([first?.values, second?.over, third?.values]).toEqual([[1], false, [3]]);
    expect(world.engine.statistics()).toMatchObject({ failures: { CANCELED: 1 }, executionCount: 2 });
  });

  test("a run of which nobody wants anything any more is ended, and the instance goes on", async () => {
    const world = await BatchWorld.open({ script: { runMs: ([x]) => (x?.shape[0] === 2 ? 60_000 : 10) } });
    const sent = [1, 2].map((value) => world.send(request([value])));
    await world.pass(5);
    sent[0]?.cancel();
    await world.pass(5);
    expect(world.engine.load().running).toBe(2);
    sent[1]?.cancel();
    await world.pass(0);
    expect(world.engine.load().running).toBe(0);
    const next = world.send(request([3]));
    await world.pass(10);
    expect(next.values).toEqual([3]);
  });

  test("of a batch with one canceled request the others get their rows", async () => {
    const world = await BatchWorld.open();
    const sent = [1, 2, 3].map((value) => world.send(request([value])));
    await world.pass(5);
    sent[1]?.cancel();
    await world.pass(5);
    expect(sent.map(({ values }) => values)).toEqual([[1], undefined, [3]]);
    expect(world.engine.statistics()).toMatchObject({
      inferenceCount: 2,
      executionCount: 1,
      failures: { CANCELED: 1 },
      fail: { count: 1 },
    });
  });

  test("canceling after the answer changes nothing", async () => {
    const world = await BatchWorld.open();
    const sent = world.send(request([1]));
    await world.pass(10);
    sent.cancel();
    expect(world.engine.statistics().failures.CANCELED).toBe(0);
  });

  test("a queue timeout is reported while the model is still busy", async () => {
    const policy = { ...NO_POLICY, defaultTimeoutUs: 1_000_000 };
    const world = await BatchWorld.open({ maxBatchSize: 1, dynamic: dynamic({ defaultPolicy: policy }), script: { runMs: () => 8_000 } });
    const [running, waiting] = [1, 2].map((value) => world.send(request([value])));
    await world.pass(1_000);
    expect(waiting?.error).toMatchObject({ code: "UNAVAILABLE", message: "Request timeout expired" });
    expect(running?.over).toBe(false);
    expect(world.engine.statistics().failures.REJECTED).toBe(1);
  });

  test("a deadline that passes in the queue is reported then", async () => {
    const world = await BatchWorld.open({ dynamic: undefined, script: { runMs: () => 1_000 } });
    world.send(request([1]));
    const waiting = world.send(request([2], { remainingMs: 50 }));
    await world.pass(49);
    expect(waiting.over).toBe(false);
    await world.pass(1);
    expect(waiting.error).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  test("a full queue refuses at once", async () => {
    const world = await BatchWorld.open({ maxBatchSize: 1, dynamic: dynamic({ defaultPolicy: { ...NO_POLICY, queueMax: 1 } }) });
    world.send(request([1]));
    await world.pass(1);
    world.send(request([2]));
    expect(() => world.send(request([3], { id: "c" }))).toThrow("[request id: c] Exceeds maximum queue size");
    expect(world.engine.statistics().failures.REJECTED).toBe(1);
  });
});

describe("preserved order", () => {
  const ordered = { instances: 2, maxBatchSize: 1, dynamic: dynamic({ preserveOrdering: true }) };
  const script = { runMs: ([x]: readonly { readonly data: Uint8Array }[]) => (x?.data[0] === 1 ? 100 : 10) };

  test("a fast second answer waits for the slow first", async () => {
    const world = await BatchWorld.open({ ...ordered, script });
    const [slow, fast] = [1, 2].map((value) => world.send(request([value])));
    await world.pass(50);
    expect(fast?.over).toBe(false);
    await world.pass(50);
    expect(world.order).toEqual([slow, fast].map((outcome) => expect.objectContaining({ values: outcome?.values })));
  });

  test("a canceled first lets the second go", async () => {
    const world = await BatchWorld.open({ ...ordered, script });
    const [slow, fast] = [1, 2].map((value) => world.send(request([value])));
    await world.pass(50);
    slow?.cancel();
    expect(fast?.values).toEqual([2]);
    await world.pass(100);
    expect(slow?.over).toBe(false);
  });

  test("an answer that is held back is not given to who has canceled meanwhile", async () => {
    const world = await BatchWorld.open({ ...ordered, script });
    const [, fast] = [1, 2].map((value) => world.send(request([value])));
    await world.pass(50);
    fast?.cancel();
    await world.pass(100);
    expect(fast?.over).toBe(false);
  });
});

describe("the response cache", () => {
  test("answers the same request without a run, and counts it apart", async () => {
    const cache = new ResponseCache(100_000);
    const world = await BatchWorld.open({ cache });
    const first = world.send(request([7]));
    await world.pass(10);
    const second = world.send(request([7]));
    await turns();
    expect([first.values, second.values]).toEqual([[7], [7]]);
    expect(world.runners.batches.length).toBe(1);
    expect(world.engine.statistics()).toMatchObject({
      inferenceCount: 1,
      executionCount: 1,
      success: { count: 2 },
      queue: { count: 2 },
      computeInfer: { count: 1 },
      cacheHit: { count: 1 },
      cacheMiss: { count: 1 },
    });
  });

  test("is passed by where a request says so, and gives nothing that is too old", async () => {
    const cache = new ResponseCache(100_000, 1_000);
    const world = await BatchWorld.open({ cache });
    const send = async (parameters?: ReadonlyMap<string, ParameterValue>) => {
      world.send({ ...request([7]), ...(parameters !== undefined && { parameters }) });
      await world.pass(10);
      return world.runners.batches.length;
    };
    const past = new Map([["response_cache", false]]);
    expect([await send(past), cache.counters.entries, await send(), await send(past), await send()]).toEqual([1, 0, 2, 3, 3]);
    await world.pass(1_000);
    expect(await send()).toBe(4);
  });

  test("does not answer with what an earlier load said, whichever of them ends first", async () => {
    const cache = new ResponseCache(100_000);
    let answer = 7;
    const world = await BatchWorld.open({ cache, script: { compute: () => [ints("y", [1, 1], [answer])] } });
    const before = world.send(request([1]));
    await world.pass(10);
    const old = world.engine;
    answer = 8;
    await world.reload(cache);
    const after = world.send(request([1]));
    await world.pass(10);
    expect([before.values, after.values]).toEqual([[7], [8]]);
    expect(cache.counters.entries).toBe(2);
    const closing = old[Symbol.asyncDispose]();
    await world.pass(10);
    await closing;
    expect(cache.counters.entries).toBe(1);
  });

  test("keeps no failures", async () => {
    const cache = new ResponseCache(100_000);
    const world = await BatchWorld.open({ cache });
    world.runners.runners[0]?.failNext(new ServingError("INTERNAL", "once"));
    world.send(request([7]));
    await world.pass(10);
    expect(cache.counters.entries).toBe(0);
    expect(world.engine.statistics().cacheMiss.count).toBe(0);
  });

  test("a hit leaves in its turn where order is preserved", async () => {
    const cache = new ResponseCache(100_000);
    const world = await BatchWorld.open({ cache, dynamic: dynamic({ preserveOrdering: true }) });
    world.send(request([7]));
    await world.pass(10);
    const [slow, hit] = [world.send(request([1])), world.send(request([7]))];
    await world.pass(5);
    expect(hit.over).toBe(false);
    await world.pass(5);
    expect([slow.values, hit.values]).toEqual([[1], [7]]);
  });
});

test("instances that share a resource execute one at a time", async () => {
  const gate = new ExecutionGate([{ name: "R", count: 1, device: undefined }]);
  const rate = { needs: [{ name: "R", count: 1, global: true }], priority: 1, device: 0 };
  const world = await BatchWorld.open({ instances: 2, maxBatchSize: 1, rates: [rate, rate], deps: { gate } });
  const sent = [1, 2, 3].map((value) => world.send(request([value])));
  await world.pass(10);
  expect(sent.map(({ over }) => over)).toEqual([true, false, false]);
  await world.pass(10);
  sent[2]?.cancel();
  await world.pass(10);
  const last = world.send(request([4]));
  await world.pass(10);
  expect([...sent, last].map(({ values }) => values)).toEqual([[1], [2], undefined, [4]]);
  await world.close();
});

test("statistics count requests, executions and batch sizes exactly", async () => {
  const world = await BatchWorld.open({ maxBatchSize: 4, script: { runMs: () => 10 } });
  for (const count of [1, 2, 4]) {
    for (let index = 0; index < count; index++) world.send(request([index]));
    await world.pass(10);
  }
  world.send(request([1, 2, 3]));
  await world.pass(10);
  const { batches, ...statistics } = world.engine.statistics();
  expect(statistics).toMatchObject({
    inferenceCount: 10,
    executionCount: 4,
    success: { count: 8, ns: 80_000_000 },
    fail: { count: 0, ns: 0 },
    queue: { count: 8, ns: 0 },
    computeInfer: { count: 8, ns: 80_000_000 },
    computeInput: { count: 8 },
    computeOutput: { count: 8 },
    lastInferenceMs: world.clock.wallClockMs(),
  });
  expect(batches.map(({ batchSize, computeInfer }) => [batchSize, computeInfer.count, computeInfer.ns])).toEqual([
    [1, 1, 10_000_000],
    [2, 1, 10_000_000],
    [3, 1, 10_000_000],
    [4, 1, 10_000_000],
  ]);
});
