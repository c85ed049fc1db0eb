/** Sequences whose states are kept in the store go on on other nodes, exactly, or say that they cannot. */
import { describe, expect, test } from "vitest";
import type { SequenceDurability } from "../../../../../node-agent/engines/sequence/sequence-log.ts";
import { ownerOf, passage, SequenceWorld } from "./sequence-world.ts";

const SYNC: SequenceDurability = { kind: "sync" };
const sync = { durability: SYNC };

test("a sequence goes on on another node with the state of its last step", async () => {
  await using world = new SequenceWorld();
  const [a, b] = [await world.node("a", sync), await world.node("b", sync)];
  a.send(7n, 5, "S", { sequence: passage({ token: "1" }) });
  a.send(7n, 6, "", { sequence: passage({ token: "2" }) });
  await world.settle();
  const next = b.send(7n, 1, "", { sequence: passage({ token: "3", from: a.owner, start: "1", answered: 2 }) });
  const behind = b.send(7n, 1, "E", { sequence: passage({ token: "4", from: a.owner, start: "1", answered: 2 }) });
  await world.settle();
  expect([next.values, behind.values]).toEqual([[12], [13]]);
});

test("a step that was applied before its node was lost is answered with the same bytes, and applied once", async () => {
  await using world = new SequenceWorld();
  const [a, b] = [await world.node("a", sync), await world.node("b", sync)];
  a.send(7n, 5, "S", { sequence: passage({ token: "1" }) });
  const first = a.send(7n, 6, "", { sequence: passage({ token: "2" }) });
  await world.settle();
  const again = b.send(7n, 6, "", { sequence: passage({ token: "2", from: a.owner }) });
  const next = b.send(7n, 1, "", { sequence: passage({ token: "3", from: a.owner }) });
  await world.settle();
  expect([first.values, again.values, again.times, next.values]).toEqual([[11], [11], first.times, [12]]);
});

test("the end is not executed again either", async () => {
  await using world = new SequenceWorld();
  const [a, b] = [await world.node("a", sync), await world.node("b", sync)];
  a.send(7n, 5, "SE", { sequence: passage({ token: "1" }) });
  await world.settle();
  const again = b.send(7n, 5, "E", { sequence: passage({ token: "1", from: a.owner }) });
  const after = b.send(7n, 5, "", { sequence: passage({ token: "2", from: "" }) });
  await world.settle();
  expect([again.values, after.error?.message]).toEqual([[5], expect.stringMatching(/must specify the START flag/)]);
});

test("who is not the owner says who is", async () => {
  await using world = new SequenceWorld();
  const [a, b] = [await world.node("a", sync), await world.node("b", sync)];
  a.send(7n, 5, "S");
  await world.settle();
  const asked = b.send(7n, 5);
  await world.settle();
  expect([asked.owner, asked.over]).toEqual([ownerOf("a"), false]);
  expect(b.engine.statistics().failures).toEqual({ REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0 });
});

test("one that was taken over from answers nothing more for the sequence, and names the new owner", async () => {
  await using world = new SequenceWorld();
  const [a, b] = [await world.node("a", { ...sync, runMs: 10 }), await world.node("b", sync)];
  a.send(7n, 5, "S", { sequence: passage({ token: "1" }) });
  await world.clock.pass(20);
  const late = a.send(7n, 6, "", { sequence: passage({ token: "2" }) });
  const behind = a.send(7n, 6, "", { sequence: passage({ token: "3" }) });
  await world.clock.pass(5);
  const taken = b.send(7n, 6, "", { sequence: passage({ token: "2", from: a.owner }) });
  await world.clock.pass(50);
  expect(taken.values).toEqual([11]);
  expect([late.owner, late.over, behind.owner]).toEqual([ownerOf("b"), false, ownerOf("b")]);
});

test("one that has missed steps elsewhere names the new owner to whoever sends a later one, and tells who is wrong so", async () => {
  await using world = new SequenceWorld();
  const [a, b] = [await world.node("a", sync), await world.node("b", sync)];
  a.send(7n, 5, "S", { step: 1, sequence: passage({ token: "step 1" }) });
  await world.settle();
  const early = a.send(7n, 9, "", { step: 3, sequence: passage({ token: "step 3" }) });
  const meant = a.send(7n, 1, "", { step: 2, sequence: passage({ token: "step 2" }) });
  await world.settle();
  expect([early.error?.message, meant.values]).toEqual([expect.stringMatching(/is step 3, but the sequence goes on with step 2/), [6]]);
  b.send(7n, 6, "", { step: 3, sequence: passage({ token: "step 3", from: a.owner }) });
  b.send(7n, 7, "", { step: 4, sequence: passage({ token: "step 4", from: a.owner }) });
  await world.settle();
  const late = a.send(7n, 8, "", { step: 5, sequence: passage({ token: "step 5" }) });
  await world.settle();
  const there = b.send(7n, 8, "", { step: 5, sequence: passage({ token: "step 5" }) });
  await world.settle();
  expect([late.owner, late.over, there.values]).toEqual([ownerOf("b"), false, [27]]);
});

test("a START is applied wherever it comes, and ends the sequence elsewhere", async () => {
  await using world = new SequenceWorld();
  const [a, b] = [await world.node("a", sync), await world.node("b", sync)];
  a.send(7n, 5, "S");
  await world.settle();
  const started = b.send(7n, 1, "S");
  await world.settle();
  const old = a.send(7n, 6);
  await world.settle();
  expect([started.values, old.owner]).toEqual([[1], ownerOf("b")]);
});

describe("a state that is lost is an explicit error", () => {
  test("where sequences are not kept", async () => {
    await using world = new SequenceWorld();
    const b = await world.node("b");
    expect(() => b.send(7n, 1, "", { sequence: passage({ token: "2", from: ownerOf("a") }) })).toThrow(
      "sequence 7 of model 'm' was on a node that is gone, and its state with it",
    );
  });

  test("when the store was emptied", async () => {
    await using world = new SequenceWorld();
    const [a, b] = [await world.node("a", sync), await world.node("b", sync)];
    a.send(7n, 5, "S");
    await world.settle();
    world.store.records.wipe();
    const next = b.send(7n, 1, "", { sequence: passage({ token: "2", from: a.owner }) });
    await world.settle();
    expect(next.error).toMatchObject({ code: "DATA_LOSS", message: expect.stringMatching(/its state is not in the store/) });
  });

  test("when the store has an older state than was answered with, unless the client says that it knows", async () => {
    await using world = new SequenceWorld();
    const [a, b] = [await world.node("a", { durability: { kind: "every", steps: 2 } }), await world.node("b", sync)];
    for (const [index, value] of [5, 6, 7].entries()) {
      a.send(7n, value, index === 0 ? "S" : "", { sequence: passage({ token: String(index + 1) }) });
      await world.settle();
    }
    const from = { from: a.owner, start: "1", answered: 3 };
    const next = b.send(7n, 8, "", { sequence: passage({ token: "4", ...from }) });
    await world.settle();
    expect(next.error).toMatchObject({ code: "DATA_LOSS", message: expect.stringMatching(/only the state after step 2 was kept/) });
    const repeated = b.send(7n, 7, "", { step: 3, sequence: passage({ token: "step 3", ...from }) });
    await world.settle();
    const after = b.send(7n, 8, "", { step: 4, sequence: passage({ token: "step 4", ...from }) });
    await world.settle();
    expect([repeated.values, after.values]).toEqual([[18], [26]]);
  });
});

describe("while the store is away", () => {
  test("steps fail without being applied, and go on when it is back", async () => {
    await using world = new SequenceWorld();
    const a = await world.node("a", sync);
    a.send(7n, 5, "S");
    await world.settle();
    world.store.records.setAway(true);
    const failed = a.send(7n, 6);
    await world.settle();
    expect(failed.error).toMatchObject({ code: "UNAVAILABLE", reason: "store_unavailable" });
    world.store.records.setAway(false);
    const next = a.send(7n, 6);
    await world.settle();
    expect(next.values).toEqual([11]);
  });

  test("an unknown sequence's steps fail, each once", async () => {
    await using world = new SequenceWorld();
    const b = await world.node("b", sync);
    world.store.records.setAway(true);
    const sent = [b.send(7n, 6), b.send(7n, 6)];
    await world.settle();
    expect(sent.map(({ error }) => error?.code)).toEqual(["UNAVAILABLE", "UNAVAILABLE"]);
    expect(b.engine.load()).toEqual({ queued: 0, running: 0 });
  });
});

test("a store that lost everything is told again by the owner", async () => {
  await using world = new SequenceWorld();
  const [a, b] = [await world.node("a", sync), await world.node("b", sync)];
  a.send(7n, 5, "S");
  await world.settle();
  world.store.records.wipe();
  a.send(7n, 6);
  await world.settle();
  const next = b.send(7n, 1, "", { sequence: passage({ token: "9", from: a.owner }) });
  await world.settle();
  expect(next.values).toEqual([12]);
});

test("idle and canceled sequences leave the store, ended ones only their last answer for a while", async () => {
  await using world = new SequenceWorld();
  const a = await world.node("a", sync);
  a.send(1n, 5, "S");
  a.send(2n, 5, "S");
  await world.settle();
  a.send(2n, 5).cancel();
  await world.settle();
  expect(world.store.records.count).toBe(1);
  await world.clock.pass(1_100);
  expect(world.store.records.count).toBe(0);
  a.send(3n, 5, "SE");
  await world.settle();
  expect(world.store.records.count).toBe(1);
});

test("a node that is unloaded leaves its sequences to others", async () => {
  await using world = new SequenceWorld();
  const [a, b] = [await world.node("a", sync), await world.node("b", sync)];
  a.send(7n, 5, "S");
  await world.settle();
  const unloading = a.engine.drain().then(() => a.engine[Symbol.asyncDispose]());
  await world.clock.pass(10);
  await unloading;
  const next = b.send(7n, 1, "", { sequence: passage({ token: "9", from: a.owner }) });
  await world.settle();
  expect(next.values).toEqual([6]);
});
