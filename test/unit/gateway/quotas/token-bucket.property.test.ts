/** The bucket's promises, whatever is asked of it and whenever. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { corrected, fullBucket, refilled, WINDOW_MS, waitMs } from "../../../../gateway/quotas/token-bucket.ts";

const RUNS = { seed: 20_260_901, numRuns: 500 };
const asked = fc.array(fc.record({ afterMs: fc.nat(20_000), cost: fc.integer({ min: 1, max: 300 }) }), { maxLength: 200 });

/** What is let in, as (time, cost), when each takes what it finds. */
function letIn(perMinute: number, sequence: readonly { readonly afterMs: number; readonly cost: number }[]) {
  let bucket = fullBucket(perMinute, 0);
  let nowMs = 0;
  return sequence.flatMap(({ afterMs, cost }) => {
    nowMs += afterMs;
    bucket = refilled(bucket, perMinute, nowMs);
    if (waitMs(bucket, perMinute, cost) > 0) return [];
    bucket = { ...bucket, level: bucket.level - cost };
    return [{ atMs: nowMs, cost }];
  });
}

test("in no stretch of time more is let in than a bucket and its flow, but for the last one's debt", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), asked, (perMinute, sequence) => {
      const entered = letIn(perMinute, sequence);
      for (let from = 0; from < entered.length; from++) {
        let sum = 0;
        for (const { atMs, cost } of entered.slice(from)) {
          const flow = (perMinute * (atMs - (entered[from]?.atMs ?? 0))) / WINDOW_MS;
          expect(sum + Math.min(cost, perMinute)).toBeLessThanOrEqual(perMinute + flow + 1e-6);
          sum += cost;
        }
      }
    }),
    RUNS,
  );
});

test("who waits as long as told is let in, and not a moment before", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: -2_000, max: 1_000 }),
      fc.integer({ min: 1, max: 3_000 }),
      (perMinute, level, cost) => {
        const bucket = { level: Math.min(level, perMinute), atMs: 0 };
        const wait = waitMs(bucket, perMinute, cost);
        expect(waitMs(refilled(bucket, perMinute, wait + 1e-3), perMinute, cost)).toBe(0);
        if (wait > 1) expect(waitMs(refilled(bucket, perMinute, wait - 1), perMinute, cost)).toBeGreaterThan(0);
      },
    ),
    RUNS,
  );
});

test("it never holds more than a minute's worth, and others never leave a deeper debt than that", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.array(fc.integer({ min: -500, max: 500 }), { maxLength: 30 }), (perMinute, used) => {
      let bucket = fullBucket(perMinute, 0);
      used.forEach((amount, index) => {
        bucket = refilled(corrected(bucket, perMinute, amount), perMinute, index * 1_000);
        expect(bucket.level).toBeLessThanOrEqual(perMinute);
        expect(bucket.level).toBeGreaterThanOrEqual(-perMinute);
      });
    }),
    RUNS,
  );
});

test("a clock that stands still or goes back fills nothing", () => {
  const bucket = { level: 1, atMs: 100 };
  expect([refilled(bucket, 60, 100), refilled(bucket, 60, 50)]).toEqual([bucket, bucket]);
});
