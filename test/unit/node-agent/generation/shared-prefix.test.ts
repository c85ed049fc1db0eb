/** Prompts that begin alike run what they share once, and only what a prefill of their own would have written too. */
import { describe, expect, test } from "vitest";
import { sharedTokens } from "../../../../node-agent/generation/shared-prefix.ts";
import { World, type WorldOptions } from "./world.ts";

const CACHED = { contextLength: 400, slots: 4, prefixCacheTokens: 400 };

function worldWith(options: WorldOptions = CACHED): World {
  return new World({ ...CACHED, ...options });
}

/** Tokens that prefill runs have had since `before`. */
const prefilled = (world: World, before = 0) => world.counters.tokensPrefilled - before;

describe("a prompt that begins like one before it", () => {
  test("runs only its rest, in the slot where the beginning lies", () => {
    const world = worldWith();
    world.submit({ promptTokens: 100, likeOthers: 100 });
    world.drain();
    const before = world.counters.tokensPrefilled;
    world.submit({ promptTokens: 130, likeOthers: 100 });
    world.drain();
    expect([prefilled(world, before), world.counters.tokensShared, world.counters.copies]).toEqual([30, 100, 0]);
    world.expectRest();
  });

  test("gets a copy where the other one is longer than what they share: both are there for the next", () => {
    const world = worldWith();
    for (const promptTokens of [150, 90, 150, 90]) {
      world.submit({ promptTokens, likeOthers: promptTokens === 150 ? 150 : 80 });
      world.drain();
    }
    expect([world.counters.tokensShared, world.counters.copies]).toEqual([80 + 148 + 80, 2]);
    world.expectRest();
  });

  test("gets a copy while the other one is still generating", () => {
    const world = worldWith();
    world.submit({ promptTokens: 120, likeOthers: 100, tokensMax: 200 });
    for (let count = 0; count < 20; count++) world.deliver();
    const before = world.counters.tokensPrefilled;
    world.submit({ promptTokens: 110, likeOthers: 100 });
    world.drain();
    expect([prefilled(world, before), world.counters.copies]).toEqual([10, 1]);
    world.expectRest();
  });

  test("that is the same runs its last two tokens", () => {
    const world = worldWith();
    for (let count = 0; count < 2; count++) {
      world.submit({ promptTokens: 50, likeOthers: 50 });
      world.drain();
    }
    expect([prefilled(world), world.counters.tokensShared]).toEqual([52, 48]);
    world.expectRest();
  });

  test("shares nothing with another tenant", () => {
    const world = worldWith();
    world.submit({ promptTokens: 100, likeOthers: 100, tenant: "a" });
    world.drain();
    world.submit({ promptTokens: 100, likeOthers: 100, tenant: "b" });
    world.drain();
    expect([prefilled(world), world.counters.tokensShared]).toEqual([200, 0]);
    world.expectRest();
  });

  test("shares nothing when caching is off", () => {
    const world = worldWith({ prefixCacheTokens: 0 });
    for (let count = 0; count < 2; count++) {
      world.submit({ promptTokens: 50, likeOthers: 50 });
      world.drain();
    }
    expect([prefilled(world), world.model.heldTokens]).toEqual([100, 0]);
  });
});

describe("what is kept for prompts to come", () => {
  test("is what was left last, within the budget", () => {
    const world = worldWith({ prefixCacheTokens: 250 });
    for (const promptTokens of [100, 110, 120]) {
      world.submit({ promptTokens, tokensMax: 1 });
      world.drain();
    }
    expect(world.model.heldTokens).toBe(230);
  });

  test("makes way for sequences when all slots keep something", () => {
    const world = worldWith({ prefixCacheTokens: 2_000 });
    for (let count = 0; count < 4; count++) world.submit({ promptTokens: 100, tokensMax: 2 });
    world.drain();
    world.submit({ promptTokens: 60, tokensMax: 2 });
    world.drain();
    world.expectRest();
    expect(world.model.heldTokens).toBeLessThan(400);
  });
});

test("a prompt is shared up to its last two tokens, and not at all when a lone token would be shared", () => {
  expect([1, 2, 3, 4, 5, 100].map(sharedTokens)).toEqual([0, 0, 0, 2, 3, 98]);
});
