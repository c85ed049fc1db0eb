/** The queue against a plain reference, at random and over every small case. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { BatchOptions } from "../../../../node-agent/scheduling/batch-options.ts";
import { BatchQueue } from "../../../../node-agent/scheduling/batch-queue.ts";
import { dynamic, item, type NamedItem } from "./items.ts";
import { ReferenceQueue } from "./reference-queue.ts";

const SEED = 20_250_731;

const policyOf = fc.record({
  timeoutAction: fc.constantFrom("reject" as const, "delay" as const),
  defaultTimeoutUs: fc.constantFrom(0, 0, 2_000, 5_000),
  allowTimeoutOverride: fc.boolean(),
  queueMax: fc.constantFrom(0, 0, 2, 5),
});

const optionsOf: fc.Arbitrary<BatchOptions> = fc.integer({ min: 1, max: 8 }).chain((maxBatchSize) =>
  fc.record({
    maxBatchSize: fc.constant(maxBatchSize),
    dynamic: fc.option(
      fc.integer({ min: 0, max: 3 }).chain((levels) =>
        fc.record({
          preferred: fc.uniqueArray(fc.integer({ min: 1, max: maxBatchSize }), { maxLength: 3 }),
          delayUs: fc.constantFrom(0, 1_000, 4_000),
          preserveOrdering: fc.constant(false),
          levels: fc.constant(levels),
          defaultLevel: fc.integer({ min: Math.min(1, levels), max: levels }),
          defaultPolicy: policyOf,
          policies: fc
            .dictionary(fc.constantFrom("1", "2", "3"), policyOf)
            .map((byLevel) => new Map(Object.entries(byLevel).map(([level, each]) => [Number(level), each]))),
          startAfter: fc.constant(0),
        }),
      ),
      { nil: undefined },
    ),
  }),
);

type Action =
  | {
      readonly do: "offer";
      readonly size: number;
      readonly form: string;
      readonly priority: number;
      readonly timeoutUs: number;
      readonly deadlineMs: number | undefined;
    }
  | { readonly do: "cancel"; readonly which: number }
  | { readonly do: "run" }
  | { readonly do: "pass"; readonly ms: number };

const actionOf: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("offer" as const),
      size: fc.integer({ min: 1, max: 4 }),
      form: fc.constantFrom("x", "x", "x", "y"),
      priority: fc.integer({ min: 0, max: 4 }),
      timeoutUs: fc.constantFrom(0, 0, 1_000, 9_000),
      deadlineMs: fc.constantFrom(undefined, undefined, 3, 7),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.constant({ do: "run" as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(0.5, 1, 2, 4) }) },
);

test("batches, refusals and timeouts are those of the reference, and every request leaves exactly once", () => {
  fc.assert(
    fc.property(optionsOf, fc.array(actionOf, { maxLength: 60 }), (options, actions) => {
      const queue = new BatchQueue<NamedItem>(options);
      const reference = new ReferenceQueue<NamedItem>(options);
      const offered: NamedItem[] = [];
      const left: NamedItem[] = [];
      let nowMs = 0;
      for (const action of actions) {
        if (action.do === "pass") nowMs += action.ms;
        if (action.do === "offer") {
          const { size, deadlineMs, ...fields } = action;
          const one = item(String(offered.length), {
            ...fields,
            size: Math.min(size, options.maxBatchSize),
            deadlineMs: deadlineMs === undefined ? undefined : nowMs + deadlineMs,
          });
          reference.expire(nowMs);
          left.push(...queue.expired(nowMs).map((each) => each.item));
          const refused = queue.offer(one, nowMs) !== undefined;
          expect(!refused).toBe(reference.offer(one, nowMs));
          offered.push(one);
          if (refused) left.push(one);
        }
        if (action.do === "cancel") {
          const one = offered[action.which];
          if (one !== undefined && queue.cancel(one)) left.push(one);
          if (one !== undefined) reference.cancel(one);
        }
        if (action.do === "run") {
          const decision = queue.next(1, nowMs);
          const batch = decision.kind === "run" ? decision.batch : undefined;
          expect(batch).toEqual(reference.run(nowMs));
          if (decision.kind === "wait") expect(decision.untilMs).toBeGreaterThan(nowMs);
          expect((batch ?? []).reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(options.maxBatchSize);
          left.push(...(batch ?? []));
        }
        reference.expire(nowMs);
        const expired = queue.expired(nowMs).map((each) => each.item);
        expect(new Set(expired)).toEqual(new Set(reference.rejected.splice(0).filter((each) => !left.includes(each))));
        left.push(...expired);
        expect(queue.count).toBe(reference.held.length);
      }
      left.push(...queue.clear());
      expect(left.length).toBe(offered.length);
      expect(new Set(left)).toEqual(new Set(offered));
    }),
    { seed: SEED, numRuns: 3_000 },
  );
});

/** All lists of up to `length` sizes from 1 to `largest`. */
function sizeLists(length: number, largest: number): number[][] {
  if (length === 0) return [[]];
  const shorter = sizeLists(length - 1, largest);
  const grown = shorter
    .filter((list) => list.length === length - 1)
    .flatMap((list) => Array.from({ length: largest }, (_, size) => [...list, size + 1]));
  return [...shorter, ...grown];
}

const subsets = (of: readonly number[]): number[][] =>
  Array.from({ length: 2 ** of.length }, (_, bits) => of.filter((_each, index) => (bits >> index) % 2 === 1));

test("every queue of up to four requests of up to three elements is cut as the reference cuts it, for every set of preferred sizes", () => {
  let cases = 0;
  for (const maxBatchSize of [3, 4, 5])
    for (const preferred of subsets([1, 2, 3, 4, 5].slice(0, maxBatchSize)))
      for (const delayUs of [0, 1_000])
        for (const sizes of sizeLists(4, 3))
          for (const nowMs of [0, 1]) {
            const options = dynamic(maxBatchSize, { preferred, delayUs });
            const queue = new BatchQueue<NamedItem>(options);
            const reference = new ReferenceQueue<NamedItem>(options);
            for (const [index, size] of sizes.entries()) {
              const one = item(String(index), { size });
              queue.offer(one, 0);
              reference.offer(one, 0);
            }
            for (let turn = 0; turn <= sizes.length; turn++) {
              const decision = queue.next(1, nowMs);
              const batch = reference.run(nowMs);
              if (JSON.stringify(decision.kind === "run" ? decision.batch : undefined) !== JSON.stringify(batch))
                expect({ options, sizes, nowMs, decision }).toEqual({ options, sizes, nowMs, decision: batch });
              cases += 1;
            }
          }
  expect(cases).toBeGreaterThan(50_000);
});
