/** The engine of stateful models on one node. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../../core/errors.ts";
import { ExecutionGate } from "../../../../../node-agent/engines/batch/execution-gate.ts";
import { passage, SequenceWorld } from "./sequence-world.ts";

const thrown = (act: () => unknown): ServingError | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return ServingError.from(error);
  }
};

describe("a sequence's state", () => {
  test.each(["direct { }", "oldest { max_candidate_sequences: 4 }"])("goes from step to step with %s", async (batching) => {
    await using world = new SequenceWorld();
    const node = await world.node("a", { batching });
    const sent = [node.send(7n, 5, "S"), node.send(7n, 6), node.send(8n, 100, "S"), node.send(7n, 1, "E"), node.send(8n, 1)];
    await world.settle();
    expect(sent.map(({ values }) => values)).toEqual([[5], [11], [100], [12], [101]]);
  });

  test("begins anew at every START, however the sequence before ended", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a");
    node.send(7n, 5, "S");
    await world.settle();
    const again = node.send(7n, 1, "S");
    await world.settle();
    expect(again.values).toEqual([1]);
    node.send(7n, 1).cancel();
    const fresh = node.send(7n, 3, "S");
    await world.settle();
    expect(fresh.values).toEqual([3]);
    await world.clock.pass(1_000);
    const late = node.send(7n, 4, "S");
    await world.settle();
    expect(late.values).toEqual([4]);
  });

  test("stays as it was when a step fails", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a");
    node.send(7n, 5, "S");
    await world.settle();
    node.runners.runners[0]?.failNext(new ServingError("INTERNAL", "no luck"));
    const failing = node.send(7n, 6);
    await world.settle();
    const next = node.send(7n, 7);
    await world.settle();
    expect([failing.error?.message, next.values]).toEqual(["no luck", [12]]);
  });

  test("survives its runner's death, and the step that ran then is applied once", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a", { runMs: 10 });
    node.send(7n, 5, "S");
    await world.clock.pass(10);
    const interrupted = node.send(7n, 6);
    await world.clock.pass(5);
    node.runners.alive[0]?.kill();
    await world.clock.pass(5_000);
    expect(interrupted.values).toEqual([11]);
  });

  test("says since when the request waits that waits longest, in the backlog or for its turn", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a", { runMs: 10 });
    node.send(7n, 1, "S");
    await world.clock.pass(5);
    const sinceMs = world.clock.now();
    node.send(7n, 2);
    await world.clock.pass(2);
    node.send(7n, 3);
    expect(node.engine.load()).toEqual({ queued: 2, running: 1, queuedSinceMs: sinceMs });
    await world.clock.pass(100);
    expect(node.engine.load()).toEqual({ queued: 0, running: 0 });
  });

  test("belongs to one id: texts, numbers and tenants have their own", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a");
    const sent = [
      node.send(7n, 1, "S"),
      node.send(7n, 10, "S", { tenant: "other" }),
      node.send(7n, 2),
      node.send(7n, 20, "", { tenant: "other" }),
    ];
    await world.settle();
    expect(sent.map(({ values }) => values)).toEqual([[1], [10], [3], [30]]);
  });
});

describe("a request is refused in Triton's words", () => {
  test.each([
    [
      "more than one row",
      undefined,
      { rows: 2 },
      "inference request to model 'm' must specify batch-size 1 due to requirements of sequence batcher",
    ],
    ["no id", undefined, {}, "inference request to model 'm' must specify a non-zero or non-empty correlation ID"],
    ["id 0", 0n, {}, "inference request to model 'm' must specify a non-zero or non-empty correlation ID"],
    ["an empty id", "", {}, "inference request to model 'm' must specify a non-zero or non-empty correlation ID"],
    ["no START", 5n, {}, "inference request for sequence 5 to model 'm' must specify the START flag on the first request of the sequence"],
    [
      "an id of the other kind",
      "five",
      { id: "r" },
      "[request id: r] sequence batching control 'CORRID' data-type is 'BYTES', but model 'm' expects 'UINT64'",
    ],
  ])("for %s", async (_, id, fields, message) => {
    await using world = new SequenceWorld();
    const node = await world.node("a");
    const error = thrown(() => node.send(id, 1, "", fields));
    expect([error?.code, error?.message]).toEqual(["INVALID_ARGUMENT", message]);
    expect(node.engine.statistics().failures.OTHER).toBe(1);
  });
});

test("rows without a request are no inferences, and do not count", async () => {
  await using world = new SequenceWorld();
  const node = await world.node("a");
  for (const id of [1n, 2n, 3n]) node.send(id, 1, "S");
  await world.settle();
  node.send(1n, 1);
  node.send(3n, 1);
  await world.settle();
  expect(node.runners.batches).toEqual([
    [3, 1],
    [3, 1],
  ]);
  const { inferenceCount, executionCount, batches, success } = node.engine.statistics();
  expect({ inferenceCount, executionCount, success: success.count, sizes: batches.map(({ batchSize }) => batchSize) }).toEqual({
    inferenceCount: 5,
    executionCount: 2,
    success: 5,
    sizes: [2, 3],
  });
});

test("answers keep the order of arrival across sequences where that is wanted", async () => {
  await using world = new SequenceWorld();
  const node = await world.node("a", { batching: "oldest { max_candidate_sequences: 4 preserve_ordering: true }", runMs: 5 });
  const sent = [node.send(1n, 1, "S"), node.send(1n, 1), node.send(2n, 1, "S")];
  await world.clock.pass(50);
  expect(world.order).toEqual(sent);
});

describe("a cancel", () => {
  test("of a waiting request takes its sequence along, and says so to the others", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a", { runMs: 10 });
    const [first, second, third] = [node.send(1n, 1, "S"), node.send(1n, 1), node.send(1n, 1)];
    await world.clock.pass(5);
    second.cancel();
    await world.clock.pass(50);
    expect([first.values, second.over, third.error?.code]).toEqual([[1], false, "CANCELLED"]);
    expect(thrown(() => node.send(1n, 1))?.message).toMatch(/must specify the START flag/);
    expect(node.engine.statistics().failures.CANCELED).toBe(2);
  });

  test("of what runs leaves it applied", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a", { runMs: 10 });
    const first = node.send(1n, 1, "S");
    await world.clock.pass(5);
    first.cancel();
    const second = node.send(1n, 1);
    await world.clock.pass(50);
    expect([first.over, second.values]).toEqual([false, [2]]);
  });
});

describe("a step that is sent again", () => {
  test("is answered as it was, and not applied", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a");
    const token = { sequence: passage({ token: "t" }) };
    node.send(1n, 1, "S");
    const first = node.send(1n, 5, "", token);
    await world.settle();
    const again = node.send(1n, 5, "", token);
    await world.settle();
    expect([again.values, again.times]).toEqual([[6], first.times]);
    expect(node.engine.statistics().inferenceCount).toBe(2);
  });

  test("while it waits or runs is answered once, on the new way", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a", { runMs: 10 });
    const token = { sequence: passage({ token: "t" }) };
    const first = node.send(1n, 1, "S", token);
    await world.clock.pass(5);
    const again = node.send(1n, 1, "S", token);
    first.lost();
    first.cancel(); // the old way's end comes late
    await world.clock.pass(50);
    expect([first.over, again.values, node.engine.statistics().executionCount]).toEqual([false, [1], 1]);
  });

  test("after the sequence's END finds its answer for a while", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a");
    const token = { sequence: passage({ token: "t" }) };
    node.send(1n, 1, "SE", token);
    await world.settle();
    const again = node.send(1n, 1, "SE", token);
    await world.settle();
    expect([again.values, node.engine.statistics().executionCount]).toEqual([[1], 1]);
  });

  test("goes on when the way to its sender is lost meanwhile", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a", { runMs: 10 });
    node.send(1n, 1, "S").lost();
    node.send(1n, 1).lost();
    await world.clock.pass(50);
    const third = node.send(1n, 1);
    await world.clock.pass(50);
    expect(third.values).toEqual([3]);
  });

  test("under a number that is not the next one is refused", async () => {
    await using world = new SequenceWorld();
    const node = await world.node("a");
    const numbered = (step: number) => ({ step, sequence: passage({ token: `step ${step}` }) });
    node.send(1n, 1, "S", numbered(1));
    await world.settle();
    const [wrong, right] = [node.send(1n, 1, "", numbered(3)), node.send(1n, 1, "", numbered(2))];
    await world.settle();
    expect(wrong.error).toMatchObject({
      code: "FAILED_PRECONDITION",
      message: "inference request for sequence 1 to model 'm' is step 3, but the sequence goes on with step 2",
    });
    expect(right.values).toEqual([2]);
  });
});

test("what is drained finishes, and new sequences are refused", async () => {
  await using world = new SequenceWorld();
  const node = await world.node("a", { runMs: 10 });
  const first = node.send(1n, 1, "S");
  const drained = node.engine.drain();
  expect(thrown(() => node.send(2n, 1, "S"))?.message).toMatch(/Server is stopping, scheduler for model has stopped/);
  const last = node.send(1n, 1, "E");
  await world.clock.pass(50);
  await drained;
  expect([first.values, last.values]).toEqual([[1], [2]]);
});

test("instances of two models that share a resource execute one at a time", async () => {
  await using world = new SequenceWorld();
  const gate = new ExecutionGate([{ name: "R", count: 1, device: undefined }]);
  const config = 'instance_group { count: 1 kind: KIND_CPU rate_limiter { resources [ { name: "R" global: true count: 1 } ] } }';
  const [one, other] = [await world.node("a", { config, gate, runMs: 10 }), await world.node("b", { config, gate, runMs: 10 })];
  const sent = [one.send(7n, 5, "S"), other.send(8n, 6, "S")];
  await world.settle();
  await world.clock.pass(10);
  expect(sent.map(({ over }) => over)).toEqual([true, false]);
  const next = one.send(7n, 1);
  await world.clock.pass(10);
  expect([...sent, next].map(({ values }) => values)).toEqual([[5], [6], undefined]);
  await world.clock.pass(10);
  expect(next.values).toEqual([6]);
});

test("every request is a sequence of its own where the model iterates", async () => {
  await using world = new SequenceWorld();
  const node = await world.node("a", { batching: "iterative_sequence: true" });
  const sent = [node.send(undefined, 1), node.send(undefined, 2), node.send(9n, 3)];
  await world.settle();
  expect(sent.map(({ values }) => values)).toEqual([[1], [2], [3]]);
});
