/** Whatever joins, leaves, pauses and waits: every generation gets what it would get alone, and nothing is left behind. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Order, World, type WorldOptions } from "./world.ts";

type Action =
  | { readonly kind: "submit"; readonly order: Order }
  | { readonly kind: "cancel" | "pause" | "park" | "resume"; readonly which: number }
  | { readonly kind: "cancelChoice"; readonly which: number; readonly choice: number }
  | { readonly kind: "deliver"; readonly count: number }
  | { readonly kind: "pass"; readonly byMs: number }
  | { readonly kind: "restart" };

const order = (contextLength: number, slots: number): fc.Arbitrary<Order> =>
  fc.record(
    {
      promptTokens: fc.oneof(fc.integer({ min: 1, max: Math.min(6, contextLength - 1) }), fc.integer({ min: 1, max: contextLength - 1 })),
      choices: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: slots }) }),
      tokensMax: fc.integer({ min: 1, max: 30 }),
      stopIds: fc.array(fc.integer({ min: 0, max: 29 }), { maxLength: 2 }),
      tenant: fc.constantFrom("a", "b", "c"),
      deadlineInMs: fc.integer({ min: 0, max: 400 }),
      begunTokens: fc.integer({ min: 0, max: 30 }),
      likeOthers: fc.integer({ min: 0, max: 60 }),
    },
    { requiredKeys: ["promptTokens", "tokensMax"] },
  );

const which = fc.nat({ max: 40 });
const action = (contextLength: number, slots: number): fc.Arbitrary<Action> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("submit" as const), order: order(contextLength, slots) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("deliver" as const), count: fc.integer({ min: 1, max: 12 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom("cancel" as const, "pause" as const, "park" as const, "resume" as const), which }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancelChoice" as const), which, choice: fc.nat({ max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("pass" as const), byMs: fc.integer({ min: 1, max: 100 }) }) },
    { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
  );

interface Workload {
  readonly options: WorldOptions;
  readonly actions: readonly Action[];
}

const workload: fc.Arbitrary<Workload> = fc
  .record({
    stages: fc.integer({ min: 1, max: 3 }),
    slots: fc.integer({ min: 1, max: 8 }),
    decodeRowsMin: fc.integer({ min: 1, max: 2 }),
    contextLength: fc.oneof(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 2, max: 120 }), fc.constant(700)),
    tokenUs: fc.constantFrom(0, 100, 1_000, 4_000),
    prefixCacheTokens: fc.constantFrom(0, 40, 200, 2_000),
  })
  .chain(({ tokenUs, ...shape }) => {
    const slots = Math.max(shape.slots, shape.decodeRowsMin);
    const stageUs: WorldOptions["stageUs"] = (step) => tokenUs * ("tokens" in step.run ? step.run.tokens.length : 1);
    return fc
      .array(action(shape.contextLength, slots), { minLength: 1, maxLength: 60 })
      .map((actions) => ({ options: { ...shape, slots, stageUs }, actions }));
  });

function act(world: World, action: Action): void {
  const chosen = "which" in action ? world.generations[action.which % Math.max(1, world.generations.length)] : undefined;
  switch (action.kind) {
    case "submit":
      world.submit(action.order);
      break;
    case "pass":
      world.pass(action.byMs);
      break;
    case "deliver":
      for (let count = 0; count < action.count; count++) world.deliver();
      break;
    case "cancel":
      if (chosen !== undefined) world.cancel(chosen);
      break;
    case "cancelChoice":
      if (chosen !== undefined) world.cancelChoice(chosen, action.choice);
      break;
    case "restart":
      world.restart();
      break;
    case "park":
      if (chosen !== undefined) world.park(chosen);
      break;
    case "pause":
    case "resume":
      if (chosen !== undefined) world.setPaused(chosen, action.kind === "pause");
      break;
  }
}

describe("the generation scheduler", () => {
  test("gives every generation exactly the tokens that it would get alone, wherever it began and whatever dies, and every slot back", () => {
    fc.assert(
      fc.property(workload, ({ options, actions }) => {
        const world = new World(options);
        for (const one of actions) act(world, one);
        for (const watched of world.generations) world.setPaused(watched, false);
        world.drain();
        world.expectRest();
      }),
      { seed: 20_261, numRuns: 1_500 },
    );
  });

  test("keeps as many steps under way as stages once as many sequences decode, whoever leaves", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.nat({ max: 15 }), { maxLength: 8 }),
        (stages, perStage, leaving) => {
          const slots = stages * perStage;
          const world = new World({ stages, slots, contextLength: 4_000 });
          for (let count = 0; count < slots; count++) world.submit({ promptTokens: 5 + 40 * count, tokensMax: 3_000 });
          for (const index of leaving) {
            for (let count = 0; count < 200; count++) world.deliver();
            const alive = world.generations.filter(({ ends }) => ends[0] === undefined);
            const one = alive[index % alive.length];
            if (one !== undefined && alive.length > stages) world.cancel(one);
          }
          for (let count = 0; count < 200; count++) world.deliver();
          for (let count = 0; count < 50; count++) {
            expect(world.decodesInFlight).toBe(stages);
            world.deliver();
          }
        },
      ),
      { seed: 20_262, numRuns: 60 },
    );
  });
});
