/** A batch engine under random requests, cancels, failures and deaths: one answer each, the right one, and sums that agree. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ServingError } from "../../../../../core/errors.ts";
import { NO_POLICY } from "../../../../../node-agent/scheduling/batch-options.ts";
import { ResponseCache } from "../../../../../node-agent/scheduling/response-cache.ts";
import { BatchWorld, dynamic, request, type Sent } from "./batch-world.ts";

const SEED = 99;

const actionOf = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      rows: fc.integer({ min: 1, max: 3 }),
      deadline: fc.constantFrom(undefined, undefined, 25),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(0, 1, 5, 20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kill" as const), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash" as const), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), which: fc.nat(3) }) },
);

const worldOf = fc.record({
  instances: fc.integer({ min: 1, max: 3 }),
  maxBatchSize: fc.integer({ min: 3, max: 5 }),
  preferred: fc.constantFrom([], [2], [3]),
  delayUs: fc.constantFrom(0, 7_000),
  preserveOrdering: fc.boolean(),
  queueMax: fc.constantFrom(0, 3),
  timeoutUs: fc.constantFrom(0, 15_000),
  cached: fc.boolean(),
});

test("every request that was taken in has one answer or was canceled, and the statistics say so", async () => {
  await fc.assert(
    fc.asyncProperty(worldOf, fc.array(actionOf, { minLength: 5, maxLength: 40 }), async (options, actions) => {
      const { instances, maxBatchSize, preferred, delayUs, preserveOrdering, queueMax, timeoutUs, cached } = options;
      const cache = cached ? { cache: new ResponseCache(20_000) } : {};
      const policy = { ...NO_POLICY, queueMax, defaultTimeoutUs: timeoutUs };
      const batching = dynamic({ preferred, delayUs, preserveOrdering, defaultPolicy: policy });
      const world = await BatchWorld.open({ instances, maxBatchSize, dynamic: batching, ...cache });
      const sent: { readonly values: readonly number[]; readonly outcome: Sent; canceled: boolean }[] = [];
      let refused = 0;
      for (const [turn, action] of actions.entries()) {
        if (action.do === "pass") await world.pass(action.ms);
        if (action.do === "kill") world.runners.alive[action.which]?.kill();
        if (action.do === "crash") world.runners.alive[action.which]?.crash();
        if (action.do === "fail") world.runners.alive[action.which]?.failNext(new ServingError("INTERNAL", "scripted"));
        if (action.do === "cancel") {
          const one = sent[action.which];
          if (one !== undefined && !one.outcome.over) one.canceled = true;
          one?.outcome.cancel();
        }
        if (action.do === "send") {
          // Few different ones, so that the cache has something to find.
          const values = Array.from({ length: action.rows }, (_, row) => (turn % 4) * 10 + row);
          try {
            sent.push({ values, outcome: world.send(request(values, { remainingMs: action.deadline })), canceled: false });
          } catch (thrown) {
            expect(thrown).toMatchObject({ code: "UNAVAILABLE" });
            refused += 1;
          }
        }
      }
      const draining = world.engine.drain();
      await world.pass(60_000);
      await draining;
      for (const { values, outcome, canceled } of sent) {
        expect(outcome.over, "one answer, or none after a cancel").toBe(!canceled);
        if (outcome.error === undefined && !canceled) expect(outcome.values).toEqual(values);
      }
      const { success, fail, queue, computeInfer, cacheHit, failures, inferenceCount, executionCount, batches } = world.engine.statistics();
      expect(success.count + fail.count).toBe(sent.length + refused);
      expect(queue.count).toBe(success.count);
      expect(computeInfer.count).toBe(success.count - cacheHit.count);
      expect(Object.values(failures).reduce((sum, count) => sum + count, 0)).toBe(fail.count);
      expect(batches.reduce((sum, batch) => sum + batch.computeInfer.count, 0)).toBe(executionCount);
      expect(batches.reduce((sum, batch) => sum + batch.computeInfer.count * batch.batchSize, 0)).toBeGreaterThanOrEqual(inferenceCount);
      expect(batches.every(({ batchSize }) => batchSize <= maxBatchSize)).toBe(true);
      expect(world.engine.load()).toMatchObject({ queued: 0, running: 0 });
      if (preserveOrdering) {
        const answered = sent.map(({ outcome }) => outcome).filter(({ error, over }) => over && error === undefined);
        const places = answered.map((outcome) => world.order.findIndex((one) => one.outputs === outcome.outputs));
        expect(places).toEqual(places.toSorted((a, b) => a - b));
      }
      await world.close();
    }),
    { seed: SEED, numRuns: 60 },
  );
}, 60_000);
