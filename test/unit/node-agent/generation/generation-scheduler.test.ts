/** The scheduler's rules, one by one, and every small history there is. */
import { describe, expect, test } from "vitest";
import type { Step } from "../../../../core/wire/step.ts";
import { type Watched, World } from "./world.ts";

const prefills = (world: World) => world.steps.filter((step) => step.run.kind === "prefill");
const chunkSizes = (world: World) => prefills(world).map((step) => (step.run.kind === "prefill" ? step.run.tokens.length : 0));
const admittedSlots = (world: World) => world.steps.flatMap((step) => step.admissions.map((admission) => admission.slot));

function deliver(world: World, count: number): void {
  for (let done = 0; done < count; done++) world.deliver();
}

/** Delivers until `holds`. */
function until(world: World, holds: () => boolean): void {
  for (let count = 0; count < 10_000; count++) {
    if (holds()) return;
    world.deliver();
  }
  throw new Error("it never came to that");
}

const tokensOf = (watched: Watched): number => watched.tokens.reduce((sum, tokens) => sum + tokens.length, 0);

describe("prompts", () => {
  test("a prompt of one token runs with a dummy behind it and is sampled at row 0", () => {
    const world = new World();
    world.submit({ promptTokens: 1 });
    expect(world.newest.run).toMatchObject({ kind: "prefill", past: 0, tokens: Int32Array.of(1, 0), sample: { row: 0, position: 0 } });
    world.drain();
    world.expectRest();
  });

  test("chunks take at most 50 ms of measured cost beside decoding sequences and 100 ms when nothing decodes", () => {
    const world = new World({ contextLength: 4_000 });
    world.submit({ promptTokens: 40, tokensMax: 1 });
    world.drain(); // 1 ms a token was measured
    world.submit({ promptTokens: 1_000, tokensMax: 500 });
    until(world, () => world.decodesInFlight > 0);
    expect(Math.max(...chunkSizes(world).slice(1, -1))).toBe(64);
    const before = prefills(world).length;
    world.submit({ promptTokens: 1_000, tokensMax: 1 });
    until(world, () => prefills(world).length === before + 10);
    expect(new Set(chunkSizes(world).slice(before))).toEqual(new Set([32]));
  });

  test("dear tokens give chunks of 16, cheap ones of 256", () => {
    for (const [tokenUs, size] of [
      [50_000, 16],
      [1, 256],
    ] as const) {
      const stageUs = (step: Step) => tokenUs * ("tokens" in step.run ? step.run.tokens.length : 1);
      const world = new World({ contextLength: 4_000, stageUs });
      world.submit({ promptTokens: 600, tokensMax: 1 });
      deliver(world, 2);
      expect(chunkSizes(world).slice(1, 3)).toEqual([size, size]);
    }
  });

  test("chunks of one prompt follow one another through the stages", () => {
    const world = new World({ stages: 3, contextLength: 4_000 });
    world.submit({ promptTokens: 600 });
    expect(world.inFlight).toBe(3);
    expect(prefills(world).map((step) => step.run.kind === "prefill" && step.run.past)).toEqual([0, 32, 64]);
  });

  test("a short prompt overtakes the rest of a long one that came a little earlier", () => {
    const world = new World({ contextLength: 4_000 });
    const long = world.submit({ promptTokens: 3_000 });
    world.nowMs = 1_000;
    const short = world.submit({ promptTokens: 20, tokensMax: 1 });
    until(world, () => short.ends[0] !== undefined);
    expect(tokensOf(long)).toBe(0);
    expect(prefills(world).length).toBeLessThan(5);
  });

  test("a long prompt is not starved by short ones that keep coming", () => {
    const world = new World({ contextLength: 4_000, slots: 8 });
    const long = world.submit({ promptTokens: 1_000, tokensMax: 1 });
    for (let count = 0; long.ends[0] === undefined; count++) {
      expect(count).toBeLessThan(200);
      world.nowMs += 20;
      world.submit({ promptTokens: 20, tokensMax: 1 });
      world.deliver();
    }
    expect(world.nowMs).toBeGreaterThan(1_000);
  });
});

describe("what was generated before", () => {
  const replays = (world: World) => world.steps.flatMap(({ run }) => (run.kind === "replay" ? [run.tokens.length] : []));

  test("is replayed in chunks behind the prompt, but for the newest token, whose row is sampled", () => {
    const world = new World({ contextLength: 4_000, stages: 2, stageUs: () => 0 });
    world.submit({ promptTokens: 20, tokensMax: 102, begunTokens: 101 });
    world.drain();
    world.expectRest();
    expect(world.steps.map(({ run }) => run.kind)).toEqual(["prefill", "replay", "replay", "replay", "replay", "decode", "none"]);
    expect(replays(world)).toEqual([32, 32, 32, 4]);
    expect(world.counters).toMatchObject({ replayRuns: 4, tokensReplayed: 100, decodeRuns: 1, tokensEmitted: 1 });
  });

  test("of a single token, or a lone one behind a chunk, is fed by a decode run", () => {
    const world = new World({ contextLength: 4_000, stageUs: () => 0 });
    for (const begunTokens of [1, 2, 3, 34]) world.submit({ promptTokens: 20, tokensMax: 40, begunTokens });
    world.drain();
    world.expectRest();
    expect(replays(world).toSorted((a, b) => a - b)).toEqual([2, 32]);
  });

  test("takes runs of 200 ms beside decoding sequences where a fault has cost the cache, and of 50 ms where a slow reader has", () => {
    const world = new World({ contextLength: 4_000 });
    const running = world.submit({ promptTokens: 20, tokensMax: 2_000 });
    const slow = world.submit({ promptTokens: 20, tokensMax: 400 });
    until(world, () => tokensOf(slow) > 200);
    const moved = world.submit({ promptTokens: 20, tokensMax: 401, begunTokens: 300 });
    until(world, () => moved.decoding.size > 0);
    expect(replays(world)).toEqual([32, 64, 64, 64, 64, 11]);
    world.setPaused(slow, true);
    until(world, () => tokensOf(moved) > 310);
    world.park(slow);
    world.setPaused(slow, false);
    const before = tokensOf(slow);
    until(world, () => tokensOf(slow) > before);
    expect(Math.max(...replays(world).slice(6))).toBe(32);
    expect(running.ends).toEqual([undefined]);
  });

  test("is replayed in runs of at most 64 tokens, however cheap they are", () => {
    const world = new World({ contextLength: 4_000, stageUs: () => 1 });
    world.submit({ promptTokens: 20, tokensMax: 1_001, begunTokens: 1_000 });
    world.drain();
    expect(Math.max(...replays(world))).toBe(64);
  });

  test("does not hold up who decodes: at most one chunk comes between two decode runs", () => {
    const world = new World({ contextLength: 4_000 });
    const running = world.submit({ promptTokens: 20, tokensMax: 50 });
    until(world, () => tokensOf(running) > 2);
    const decodesBefore = world.counters.decodeRuns;
    const begun = world.submit({ promptTokens: 20, tokensMax: 301, begunTokens: 300 });
    until(world, () => begun.ends[0] !== undefined);
    expect(world.counters.decodeRuns - decodesBefore).toBeGreaterThanOrEqual(replays(world).length);
  });
});

describe("the queue", () => {
  test("has room for as many choices as there are free slots and queue places", () => {
    const world = new World({ slots: 2, queueMax: 1 });
    expect(world.scheduler.hasRoomFor(3)).toBe(true);
    expect(world.scheduler.hasRoomFor(4)).toBe(false);
    world.submit({ promptTokens: 4 });
    world.submit({ promptTokens: 4, choices: 2 });
    expect(world.scheduler.hasRoomFor(1)).toBe(false);
    world.drain();
    expect(world.scheduler.hasRoomFor(3)).toBe(true);
  });

  test("serves tenants in turn, and one tenant's generations in the order of arrival", () => {
    const world = new World({ slots: 1 });
    for (const tenant of ["a", "a", "a", "b", "b", "c"]) world.submit({ promptTokens: 4, tokensMax: 1, tenant });
    const order: string[] = [];
    for (const watched of world.generations) expect(watched.ends[0]).toBeUndefined();
    while (world.deliver()) {
      for (const { order: asked, key, ends } of world.generations) {
        const name = `${asked.tenant}${key}`;
        if (ends[0] !== undefined && !order.includes(name)) order.push(name);
      }
    }
    expect(order).toEqual(["a0", "a1", "b3", "c5", "a2", "b4"]);
  });

  test("a sequence that waits is canceled without a step", () => {
    const world = new World({ slots: 1 });
    world.submit({ promptTokens: 4 });
    const second = world.submit({ promptTokens: 4 });
    const steps = world.steps.length;
    world.cancel(second);
    expect(world.steps.length).toBe(steps);
    expect(world.scheduler.load().queued).toBe(0);
    world.drain();
    world.expectRest();
    expect(world.counters.admitted).toBe(1);
  });
});

describe("slots", () => {
  test("a canceled sequence's slot goes to the next one with the very next step, while its last token is still under way", () => {
    const world = new World({ slots: 1, stages: 2 });
    const first = world.submit({ promptTokens: 4, tokensMax: 50 });
    const second = world.submit({ promptTokens: 6 });
    until(world, () => tokensOf(first) === 3 && world.decodesInFlight === 1);
    const steps = world.steps.length;
    world.cancel(first);
    expect(world.steps.length).toBe(steps + 1);
    expect(world.newest).toMatchObject({ releases: [0], admissions: [{ slot: 0 }], run: { kind: "prefill", slot: 0, past: 0 } });
    world.drain();
    world.expectRest();
    expect(second.ends).toEqual(["length"]);
    expect(tokensOf(first)).toBe(3);
  });

  test("memory goes back at once when nothing else runs, by a step without a run", () => {
    const world = new World();
    world.submit({ promptTokens: 4, tokensMax: 1 });
    world.drain();
    expect(world.newest).toMatchObject({ releases: [0], copies: [], admissions: [], run: { kind: "none" } });
    world.expectRest();
  });

  test("a paused generation keeps its slot as an idle row at its own end and goes on where it was", () => {
    const world = new World({ slots: 3 });
    const [, middle] = [1, 2, 3].map(() => world.submit({ promptTokens: 4, tokensMax: 40 }));
    if (middle === undefined) throw new Error("three were submitted");
    until(world, () => world.generations.every((watched) => tokensOf(watched) > 2));
    world.setPaused(middle, true);
    deliver(world, 3);
    const held = 4 + tokensOf(middle) - 1;
    expect(world.newest.run).toMatchObject({ firstSlot: 0, rows: [{}, { past: held, position: undefined }, {}] });
    world.setPaused(middle, false);
    world.drain();
    world.expectRest();
  });

  test("a lone sequence gets an idle row where decode runs need two, beside the slot that holds less", () => {
    const world = new World({ slots: 4, decodeRowsMin: 2 });
    const first = world.submit({ promptTokens: 30, tokensMax: 10 });
    const second = world.submit({ promptTokens: 9, tokensMax: 10 });
    world.setPaused(first, true);
    until(world, () => tokensOf(second) > 2);
    expect(world.newest.run).toMatchObject({ firstSlot: 1, rows: [{}, { past: 0, position: undefined }] });
    world.setPaused(first, false);
    world.drain();
    world.expectRest();
  });

  test("a hole is closed when the idle rows run so far would have paid for the copy, a short sequence's at once", () => {
    for (const { promptTokens, idleRuns } of [
      { promptTokens: 30, idleRuns: 0 },
      { promptTokens: 1_000, idleRuns: 3 },
    ]) {
      const world = new World({ slots: 3, contextLength: 4_000 });
      const [, middle] = [1, 2, 3].map(() => world.submit({ promptTokens, tokensMax: 100 }));
      if (middle === undefined) throw new Error("three were submitted");
      until(world, () => world.generations.every((watched) => tokensOf(watched) > 0) && world.inFlight === 1);
      world.deliver();
      world.cancel(middle);
      const idle = world.counters.rowsIdle;
      until(world, () => world.counters.copies === 1);
      expect(world.counters.rowsIdle - idle).toBe(idleRuns);
      expect(world.newest).toMatchObject({ copies: [{ from: 2, to: 1 }], run: { firstSlot: 0, rows: [{}, {}] } });
      world.drain();
      world.expectRest();
    }
  });

  test("sequences are spread over micro-batches as they come and moved when one has two fewer", () => {
    const world = new World({ slots: 4, stages: 2 });
    const all = [1, 2, 3, 4].map(() => world.submit({ promptTokens: 4, tokensMax: 40 }));
    until(world, () => all.every((watched) => tokensOf(watched) > 0));
    expect(admittedSlots(world)).toEqual([0, 2, 1, 3]);
    for (const index of [1, 3]) world.cancel(all[index] ?? world.submit({ promptTokens: 1 }));
    deliver(world, 6);
    expect(world.counters.copies).toBe(1);
    expect(world.decodesInFlight).toBe(2);
    world.drain();
    world.expectRest();
  });
});

describe("choices", () => {
  test("the prompt is computed once: siblings copy it and run only its last two tokens", () => {
    const world = new World({ slots: 4, contextLength: 400 });
    world.submit({ promptTokens: 200, choices: 4, tokensMax: 8 });
    world.drain();
    world.expectRest();
    expect(world.counters).toMatchObject({ tokensPrefilled: 200 + 3 * 2, copies: 3, tokensCopied: 3 * 198 });
  });

  test("choices that find no free slot follow when one is free, copying from a sibling that still lives", () => {
    const world = new World({ slots: 2, contextLength: 400 });
    const other = world.submit({ promptTokens: 5, tokensMax: 30 });
    world.submit({ promptTokens: 100, choices: 2, tokensMax: 60 });
    until(world, () => other.ends[0] !== undefined);
    deliver(world, 6);
    expect(world.counters).toMatchObject({ tokensPrefilled: 5 + 100 + 2, copies: 1 });
    world.drain();
    world.expectRest();
  });

  test("a choice whose siblings are gone computes the prompt itself", () => {
    const world = new World({ slots: 2, contextLength: 400 });
    world.submit({ promptTokens: 5, tokensMax: 90 });
    const both = world.submit({ promptTokens: 100, choices: 2, tokensMax: 60 });
    until(world, () => tokensOf(both) > 2);
    world.cancelChoice(both, 0);
    world.drain();
    world.expectRest();
    expect(both.ends).toEqual(["canceled", "length"]);
  });

  test("prompt ids travel with the admission only where the repetition penalty needs them", () => {
    const world = new World();
    world.submit({ promptTokens: 9 });
    expect(world.newest.admissions).toMatchObject([{ slot: 0, choice: 0, promptIds: new Int32Array(0), outputIds: new Int32Array(0) }]);
  });
});

describe("deadlines", () => {
  test("end a generation in the queue, in prefill and in decode", () => {
    const world = new World({ slots: 2, contextLength: 4_000 });
    const decoding = world.submit({ promptTokens: 2, tokensMax: 1_000, deadlineInMs: 30 });
    until(world, () => tokensOf(decoding) > 3);
    const prefilling = world.submit({ promptTokens: 3_000, deadlineInMs: 20 });
    const queued = world.submit({ promptTokens: 4, deadlineInMs: 10 });
    expect(world.scheduler.nextDeadlineMs()).toBe(10);
    world.pass(10);
    expect([decoding.ends[0], prefilling.ends[0], queued.ends[0]]).toEqual([undefined, undefined, "expired"]);
    world.pass(20);
    expect([decoding.ends[0], prefilling.ends[0]]).toEqual(["expired", "expired"]);
    expect(world.scheduler.nextDeadlineMs()).toBeUndefined();
    world.drain();
    world.expectRest();
  });
});

describe("results", () => {
  test("of another step, another epoch or with too few tokens are refused", () => {
    const result = { epoch: 7, step: 0, tokens: [], stageUs: [1] };
    for (const wrong of [{ ...result, step: 1 }, { ...result, epoch: 6 }, result]) {
      const world = new World();
      world.submit({ promptTokens: 4 });
      expect(() => world.scheduler.completed(wrong)).toThrow("assertion failed");
    }
  });
});

test("every history of five events on two slots ends with every generation right and every slot back", () => {
  const events: ((world: World) => void)[] = [
    (world) => void world.submit({ promptTokens: 1, tokensMax: 3 }),
    (world) => void world.submit({ promptTokens: 5, tokensMax: 4, choices: 2 }),
    (world) => deliver(world, 1),
    (world) => world.generations[0] && world.cancel(world.generations[0]),
    (world) => world.generations[0] && world.setPaused(world.generations[0], !world.generations[0].paused),
    (world) =>
      world.generations.at(-1)?.ends.length === 2 && world.cancelChoice(world.generations.at(-1) ?? world.submit({ promptTokens: 1 }), 0),
  ];
  const length = 5;
  for (const shape of [
    { stages: 1, decodeRowsMin: 1 },
    { stages: 2, decodeRowsMin: 1 },
    { stages: 2, decodeRowsMin: 2 },
  ]) {
    for (let history = 0; history < events.length ** length; history++) {
      const world = new World({ ...shape, slots: 2, contextLength: 8 });
      for (let left = history, index = 0; index < length; index++, left = Math.floor(left / events.length))
        events[left % events.length]?.(world);
      for (const watched of world.generations) world.setPaused(watched, false);
      world.drain();
      world.expectRest();
    }
  }
}, 60_000); // of real time, on a busy machine
