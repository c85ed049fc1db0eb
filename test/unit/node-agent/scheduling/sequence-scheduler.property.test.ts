/** The sequence scheduler against a plain reference, at random and over every small case. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SequenceOptions } from "../../../../node-agent/scheduling/sequence-options.ts";
import { SequenceScheduler } from "../../../../node-agent/scheduling/sequence-scheduler.ts";
import { ReferenceSequences } from "./reference-sequences.ts";
import { direct, type NamedStep, oldest, options, step } from "./sequence-items.ts";

const SEED = 20_261_123;

/** Cheap where it holds: it is asked a million times. */
function expectSame(found: unknown, wanted: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) expect(found).toEqual(wanted);
}

type Action =
  | { readonly do: "offer"; readonly sequence: string; readonly flags: string; readonly form: string; readonly timeoutUs: number }
  | { readonly do: "run"; readonly instance: number }
  | { readonly do: "done" }
  | { readonly do: "cancel"; readonly which: number }
  | { readonly do: "pass"; readonly ms: number };

/** Does the same with both, and compares all that can be seen. */
class Pair {
  readonly #scheduler: SequenceScheduler<NamedStep, never>;
  readonly #reference: ReferenceSequences;
  readonly #offered: NamedStep[] = [];
  /** By instance. */
  readonly #running = new Map<number, readonly NamedStep[]>();
  readonly #left: string[] = [];
  readonly #gone: string[] = [];
  #nowMs = 0;

  constructor(made: SequenceOptions) {
    this.#scheduler = new SequenceScheduler(made);
    this.#reference = new ReferenceSequences(made);
  }

  do(action: Action): void {
    const nowMs = this.#nowMs;
    switch (action.do) {
      case "offer": {
        const item = step(action.sequence, action.flags, { ...action, name: `${this.#offered.length}${action.sequence}${action.flags}` });
        const refused = this.#scheduler.offer(item, nowMs);
        expectSame(refused === undefined, this.#reference.offer(item, nowMs));
        if (refused === undefined) this.#offered.push(item);
        return;
      }
      case "run":
        if (!this.#running.has(action.instance)) this.#run(action.instance);
        return;
      case "done": {
        const [first] = this.#running;
        if (first === undefined) return;
        this.#running.delete(first[0]);
        for (const item of first[1]) {
          this.#scheduler.done(item, nowMs);
          this.#reference.done(item, nowMs);
          this.#left.push(item.name);
        }
        return;
      }
      case "cancel": {
        const item = this.#offered[action.which % Math.max(1, this.#offered.length)];
        if (item === undefined) return;
        const waited = this.#scheduler.find(item.key)?.waiting.includes(item) === true;
        const others = this.#scheduler.cancel(item, nowMs);
        expectSame(others, this.#reference.cancel(item, nowMs));
        this.#left.push(...others.map(({ name }) => name), ...(waited ? [item.name] : []));
        return;
      }
      case "pass":
        this.#nowMs += action.ms;
    }
  }

  #run(instance: number): void {
    const decision = this.#scheduler.next([instance], this.#nowMs);
    const rows = this.#reference.next(instance, this.#nowMs);
    this.#compareEnded();
    if (decision.kind === "wait") expectSame(decision.untilMs > this.#nowMs, true);
    expectSame(decision.kind === "run" ? decision.rows : undefined, rows);
    if (rows === undefined) return;
    const steps = rows.filter((item) => item !== undefined);
    expectSame(new Set(steps.map(({ key }) => key)).size, steps.length);
    this.#running.set(instance, steps);
  }

  #compareEnded(): void {
    const expired = this.#scheduler.expired(this.#nowMs).map(({ item }) => item.name);
    expectSame(expired, this.#reference.expired.splice(0));
    this.#left.push(...expired);
    this.#gone.push(...this.#scheduler.gone().map(({ key }) => key));
    expectSame(this.#gone, this.#reference.gone);
  }

  /** Runs all that waits to its end. @returns whether every request left exactly once */
  finish(instances: number): void {
    this.#scheduler.stop();
    for (let round = 0; this.#scheduler.queued + this.#running.size > 0; round++) {
      expectSame(round < 10_000, true);
      for (let instance = 0; instance < instances; instance++) this.do({ do: "run", instance });
      this.do({ do: "done" });
      this.do({ do: "pass", ms: 3 });
    }
    expectSame(this.#left.toSorted(), this.#offered.map(({ name }) => name).toSorted());
  }
}

const strategyOf = fc.oneof(
  fc.record({ delay: fc.constantFrom(0, 2_000), share: fc.constantFrom(0, 0.5, 1) }).map(({ delay, share }) => direct(delay, share)),
  fc.integer({ min: 1, max: 4 }).map((candidates) => oldest(candidates)),
);
const optionsOf: fc.Arbitrary<SequenceOptions> = fc
  .record({ strategy: strategyOf, instances: fc.integer({ min: 1, max: 2 }), maxBatchSize: fc.integer({ min: 0, max: 3 }) })
  .map((fields) => options({ ...fields, idleUs: 6_000 }));
const actionOf: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("offer" as const),
      sequence: fc.constantFrom("a", "b", "c", "d", "e", "f"),
      flags: fc.constantFrom("S", "S", "SE", "", "", "", "E"),
      form: fc.constantFrom("x", "x", "x", "y"),
      timeoutUs: fc.constantFrom(0, 0, 0, 3_000),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("run" as const), instance: fc.nat(1) }) },
  { weight: 4, arbitrary: fc.constant({ do: "done" as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(60) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 2, 5) }) },
);

test("batches, refusals and ends are those of the reference, and every request leaves exactly once", () => {
  fc.assert(
    fc.property(optionsOf, fc.array(actionOf, { maxLength: 60, size: "max" }), (made, actions) => {
      const pair = new Pair(made);
      for (const action of actions) if (action.do !== "run" || action.instance < made.instances) pair.do(action);
      pair.finish(made.instances);
    }),
    { seed: SEED, numRuns: 1_500 },
  );
});

const SMALL: readonly Action[] = [
  ...["a", "b"].flatMap((sequence) => ["S", "", "E"].map((flags): Action => ({ do: "offer", sequence, flags, form: "x", timeoutUs: 0 }))),
  { do: "run", instance: 0 },
  { do: "done" },
  { do: "cancel", which: 1 },
];

test.each([
  ["direct", options({ maxBatchSize: 1, idleUs: 6_000 })],
  ["oldest", options({ maxBatchSize: 2, strategy: oldest(1), idleUs: 6_000 })],
])("the same holds for every way in which four things happen to two sequences and one place, %s", (_, made) => {
  const lengths = SMALL.length ** 4;
  for (let number = 0; number < lengths; number++) {
    const pair = new Pair(made);
    for (let rest = number, place = 0; place < 4; place++) {
      const action = SMALL[rest % SMALL.length];
      if (action !== undefined) pair.do(action);
      rest = Math.floor(rest / SMALL.length);
    }
    pair.finish(1);
  }
});
