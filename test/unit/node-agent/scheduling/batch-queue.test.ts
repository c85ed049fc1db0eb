/** What the default scheduler and the dynamic batcher promise, case by case. */
import { describe, expect, test } from "vitest";
import type { BatchOptions } from "../../../../node-agent/scheduling/batch-options.ts";
import { BatchQueue } from "../../../../node-agent/scheduling/batch-queue.ts";
import { dynamic, item, type NamedItem, policy } from "./items.ts";

/** A queue that holds these requests, all offered at 0 ms. */
function queueOf(options: BatchOptions, ...items: readonly NamedItem[]): BatchQueue<NamedItem> {
  const queue = new BatchQueue<NamedItem>(options);
  for (const each of items) expect(queue.offer(each, 0)).toBeUndefined();
  return queue;
}

const items = (sizes: readonly number[]) => sizes.map((size, index) => item(String(index), { size }));

/** Names of the batches that run at `nowMs`, one instance being free each time. */
function batches(queue: BatchQueue<NamedItem>, nowMs = 0): string[] {
  const found: string[] = [];
  for (let next = queue.next(1, nowMs); next.kind === "run"; next = queue.next(1, nowMs))
    found.push(next.batch.map(({ name }) => name).join(""));
  return found;
}

describe("the default scheduler", () => {
  const options: BatchOptions = { maxBatchSize: 8, dynamic: undefined };

  test("runs every request alone, in the order of arrival", () => {
    expect(batches(queueOf(options, ...items([1, 3, 1])))).toEqual(["0", "1", "2"]);
  });

  test("ignores priorities and timeouts", () => {
    const queue = queueOf(options, item("a", { priority: 9, timeoutUs: 1 }), item("b", { priority: 1 }));
    expect(queue.expired(1_000)).toEqual([]);
    expect(batches(queue, 1_000)).toEqual(["a", "b"]);
  });

  test("runs nothing while no instance is free", () => {
    expect(queueOf(options, item("a")).next(0, 0)).toEqual({ kind: "idle" });
  });
});

describe("batches of the dynamic batcher", () => {
  test("are as large as possible at once when nothing is preferred", () => {
    expect(batches(queueOf(dynamic(4), ...items([1, 1, 1])))).toEqual(["012"]);
    expect(batches(queueOf(dynamic(4), ...items([1, 1, 1, 1, 1])))).toEqual(["0123", "4"]);
  });

  test("of a preferred size leave the rest for the next batch", () => {
    expect(batches(queueOf(dynamic(8, { preferred: [4, 8] }), ...items([1, 1, 1, 1, 1, 1])))).toEqual(["0123", "45"]);
  });

  test("run with what there is when no preferred size can be had without waiting", () => {
    expect(batches(queueOf(dynamic(8, { preferred: [4] }), ...items([1, 1, 1])))).toEqual(["012"]);
  });

  test("take the largest preferred size that is hit exactly", () => {
    expect(batches(queueOf(dynamic(8, { preferred: [2, 4] }), ...items([1, 1, 1, 1, 1])))).toEqual(["0123", "4"]);
    expect(batches(queueOf(dynamic(8, { preferred: [2, 4] }), ...items([2, 1])))).toEqual(["0", "1"]);
  });

  test("are cut before a request that would carry them beyond every preferred size", () => {
    expect(batches(queueOf(dynamic(8, { preferred: [4] }), ...items([3, 3])))).toEqual(["0", "1"]);
  });

  test("of one request larger than every preferred size run as they are", () => {
    expect(batches(queueOf(dynamic(8, { preferred: [4] }), ...items([6])))).toEqual(["0"]);
    expect(batches(queueOf(dynamic(8, { preferred: [4], delayUs: 1_000_000 }), ...items([6, 1]).slice(0, 1)))).toEqual(["0"]);
  });

  test("end at the first request of another form, which is not passed over", () => {
    const forms = ["x", "x", "y", "x"].map((form, index) => item(String(index), { form }));
    expect(batches(queueOf(dynamic(8), ...forms))).toEqual(["01", "2", "3"]);
  });

  test("that cannot grow do not wait", () => {
    const queue = queueOf(dynamic(8, { preferred: [8], delayUs: 1e6 }), item("a", { form: "x" }), item("b", { form: "y" }));
    expect(batches(queue)).toEqual(["a"]);
    expect(queue.next(1, 0)).toEqual({ kind: "wait", untilMs: 1000 });
  });
});

describe("the queue delay", () => {
  const options = dynamic(8, { preferred: [4], delayUs: 500_000 });

  test("holds a part batch until its oldest request has waited so long", () => {
    const queue = queueOf(options, item("a"));
    queue.offer(item("b"), 300);
    expect(queue.next(1, 300)).toEqual({ kind: "wait", untilMs: 500 });
    expect(queue.next(1, 499.9)).toEqual({ kind: "wait", untilMs: 500 });
    expect(batches(queue, 500)).toEqual(["ab"]);
  });

  test("ends when a preferred size is there", () => {
    const queue = queueOf(options, ...items([1, 1, 1]));
    expect(queue.next(1, 10)).toEqual({ kind: "wait", untilMs: 500 });
    queue.offer(item("3"), 20);
    expect(batches(queue, 20)).toEqual(["0123"]);
  });

  test("once over, lets everything go up to the largest batch, preferred or not", () => {
    const queue = queueOf(options, ...items([1, 1, 1, 1, 1, 1]));
    expect(batches(queue, 600)).toEqual(["012345"]);
    expect(batches(queueOf(options, ...items([3, 3])), 600)).toEqual(["01"]);
  });

  test("is cut short by the nearest timeout", () => {
    const withTimeout = dynamic(8, { preferred: [4], delayUs: 500_000, defaultPolicy: policy({ defaultTimeoutUs: 200_000 }) });
    const queue = queueOf(withTimeout, item("a"));
    expect(queue.next(1, 0)).toEqual({ kind: "wait", untilMs: 200 });
  });
});

describe("priority levels", () => {
  const options = dynamic(2, { levels: 3, defaultLevel: 2 });

  test("come one after another, in order of arrival within one", () => {
    const queue = queueOf(options, ...[3, 1, 2, 1, 3].map((priority, index) => item(String(index), { priority })));
    expect(batches(queue)).toEqual(["13", "20", "4"]);
  });

  test("that do not exist, and none, are the default level", () => {
    const queue = queueOf(
      dynamic(1, { levels: 3, defaultLevel: 2 }),
      ...[3, 0, 4, 99, 1].map((priority) => item(String(priority), { priority })),
    );
    expect(batches(queue)).toEqual(["1", "0", "4", "99", "3"]);
  });

  test("are ignored by a model without them", () => {
    expect(batches(queueOf(dynamic(1), item("a", { priority: 2 }), item("b", { priority: 1 })))).toEqual(["a", "b"]);
  });
});

describe("queue policies", () => {
  test("limit how many wait, and say so with the request's id", () => {
    const options = dynamic(4, { defaultPolicy: policy({ queueMax: 2 }) });
    const queue = queueOf(options, item("a"), item("b"));
    expect(queue.offer(item("c", { id: "42" }), 0)).toMatchObject({
      code: "UNAVAILABLE",
      message: "[request id: 42] Exceeds maximum queue size",
    });
    expect(queue.offer(item("c"), 0)?.message).toBe("[request id: <id_unknown>] Exceeds maximum queue size");
    expect(batches(queue)).toEqual(["ab"]);
    expect(queue.offer(item("d"), 0)).toBeUndefined();
  });

  test("limit each level by itself", () => {
    const options = dynamic(4, {
      levels: 2,
      defaultLevel: 1,
      defaultPolicy: policy({ queueMax: 1 }),
      policies: new Map([[2, policy({ queueMax: 2 })]]),
    });
    const queue = queueOf(options, item("a"), item("b", { priority: 2 }), item("c", { priority: 2 }));
    expect(queue.offer(item("d"), 0)).toBeDefined();
    expect(queue.offer(item("e", { priority: 2 }), 0)).toBeDefined();
  });

  test("fail a request that has waited too long, while no instance is free", () => {
    const queue = queueOf(dynamic(4, { defaultPolicy: policy({ defaultTimeoutUs: 1_000_000 }) }), item("a"));
    expect(queue.next(0, 0)).toEqual({ kind: "wait", untilMs: 1000 });
    expect(queue.expired(999)).toEqual([]);
    expect(queue.expired(1000)).toMatchObject([
      { item: { name: "a" }, error: { code: "UNAVAILABLE", message: "Request timeout expired" } },
    ]);
    expect(queue.expired(1000)).toEqual([]);
    expect(queue.next(1, 1000)).toEqual({ kind: "idle" });
  });

  test("let delayed requests run behind all others of their level", () => {
    const options = dynamic(1, { defaultPolicy: policy({ timeoutAction: "delay", defaultTimeoutUs: 1000, queueMax: 3 }) });
    const queue = queueOf(options, item("a"), item("b"));
    expect(queue.next(0, 1)).toEqual({ kind: "idle" });
    queue.offer(item("c"), 1);
    expect(queue.offer(item("d"), 1)?.message).toContain("Exceeds maximum queue size");
    expect(batches(queue, 1)).toEqual(["c", "a", "b"]);
  });

  test.each([
    { allowed: true, own: 400_000, waits: 400 },
    { allowed: true, own: 2_000_000, waits: 1000 },
    { allowed: true, own: 0, waits: 1000 },
    { allowed: false, own: 400_000, waits: 1000 },
  ])("take a request's own timeout only if it is allowed and shorter: $allowed, $own µs", ({ allowed, own, waits }) => {
    const options = dynamic(4, { defaultPolicy: policy({ defaultTimeoutUs: 1_000_000, allowTimeoutOverride: allowed }) });
    expect(queueOf(options, item("a", { timeoutUs: own })).next(0, 0)).toEqual({ kind: "wait", untilMs: waits });
  });

  test("take no timeout from a request where there is no default", () => {
    const options = dynamic(4, { defaultPolicy: policy({ allowTimeoutOverride: true }) });
    expect(queueOf(options, item("a", { timeoutUs: 5 })).next(0, 0)).toEqual({ kind: "idle" });
  });
});

describe("leaving early", () => {
  test("a canceled request frees its place and never runs", () => {
    const [a, b] = [item("a"), item("b")];
    const queue = queueOf(dynamic(4, { defaultPolicy: policy({ queueMax: 2 }) }), a, b);
    expect(queue.cancel(a)).toBe(true);
    expect(queue.cancel(a)).toBe(false);
    expect(queue.offer(item("c"), 0)).toBeUndefined();
    expect(batches(queue)).toEqual(["bc"]);
    expect(queue.cancel(b)).toBe(false);
  });

  test("a request whose deadline passes in the queue fails with that, in every scheduler", () => {
    for (const options of [dynamic(4), { maxBatchSize: 4, dynamic: undefined }]) {
      const queue = queueOf(options, item("a", { deadlineMs: 5 }));
      expect(queue.next(0, 0)).toEqual({ kind: "wait", untilMs: 5 });
      expect(queue.next(1, 5)).toEqual({ kind: "idle" });
      expect(queue.expired(5)).toMatchObject([{ error: { code: "DEADLINE_EXCEEDED" } }]);
    }
  });

  test("a stopped queue runs what it has and refuses more", () => {
    const queue = queueOf(dynamic(1), item("a"), item("b"));
    queue.stop();
    expect(queue.offer(item("c", { id: "x" }), 0)).toMatchObject({
      code: "UNAVAILABLE",
      message: "[request id: x] Server is stopping, scheduler for model has stopped accepting new inference requests",
    });
    expect(batches(queue)).toEqual(["a", "b"]);
  });

  test("a cleared queue gives back what waited, in its order", () => {
    const queue = queueOf(dynamic(4, { levels: 2, defaultLevel: 2 }), item("a"), item("b", { priority: 1 }));
    expect(queue.clear().map(({ name }) => name)).toEqual(["b", "a"]);
    expect(queue.count).toBe(0);
  });
});

test("a start after N requests holds the first batch, and only that", () => {
  const queue = queueOf(dynamic(2, { startAfter: 3 }), ...items([1, 1]));
  expect(queue.next(1, 0)).toEqual({ kind: "idle" });
  queue.offer(item("2"), 0);
  expect(batches(queue)).toEqual(["01", "2"]);
  queue.offer(item("3"), 0);
  expect(batches(queue)).toEqual(["3"]);
});
