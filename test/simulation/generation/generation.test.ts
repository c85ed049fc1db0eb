/** A lead over stages that take time and die: every reader gets its own tokens, each once, and nothing is left behind. */
import { describe, expect, test } from "vitest";
import { type Random, seededRandom } from "../../../core/random.ts";
import { LedReplica, type Reader } from "./led-replica.ts";

const whole = (random: Random, min: number, max: number): number => min + Math.floor(random.next() * (max - min + 1));

function submitAny(replica: LedReplica, random: Random, slots: number): Reader {
  const length = whole(random, 0, 3) === 0 ? whole(random, 1, 300) : whole(random, 1, 20);
  return replica.submit({
    promptIds: Int32Array.from({ length }, () => whole(random, 0, 999)),
    choices: whole(random, 0, 4) === 0 ? whole(random, 1, slots) : 1,
    tokensMax: whole(random, 1, 40),
  });
}

async function simulate(seed: bigint): Promise<void> {
  const random = seededRandom(seed);
  const decodeRowsMin = whole(random, 1, 2);
  const shape = { stages: whole(random, 1, 3), slots: whole(random, decodeRowsMin, 8), contextLength: 400, decodeRowsMin };
  const replica = new LedReplica(shape);
  await replica.connect();
  const readers: Reader[] = [];
  const deaths = whole(random, 0, 3);
  for (let life = 0; life <= deaths; life++) {
    for (let count = whole(random, 5, 60); count > 0; count--) {
      const one = readers[whole(random, 0, Math.max(0, readers.length - 1))];
      const dice = whole(random, 0, 9);
      if (one !== undefined && dice === 0) one.cancel();
      else if (one !== undefined && dice === 1) one.handle?.pause();
      else if (one !== undefined && dice === 2) one.handle?.resume();
      else readers.push(submitAny(replica, random, shape.slots));
      replica.clock.advance(whole(random, 0, 60));
    }
    if (life === deaths) break;
    replica.kill(whole(random, 0, shape.stages - 1));
    replica.clock.advance(1);
    expect(replica.engine.load().busySlots).toBe(0);
    await replica.connect();
  }
  for (const reader of readers) reader.handle?.resume();
  replica.clock.advance(600_000);
  for (const reader of readers) reader.check();
  expect(
    readers.filter(({ error }) => error !== undefined && error.code !== "CANCELLED"),
    `${deaths} deaths of stages`,
  ).toEqual([]);
  expect(replica.engine.load()).toMatchObject({ busySlots: 0, queued: 0 });
  expect(replica.hub.violations).toEqual([]);
  expect(replica.clock.pending).toBe(0);
}

describe("simulations", () => {
  test.each(Array.from({ length: 40 }, (_, index) => BigInt(index + 1)))("seed %i: joins, leaves, pauses and deaths of stages", simulate);
});

/** Simulated milliseconds that eight generations of 100 tokens take. */
async function timeOf(stages: number): Promise<number> {
  const replica = new LedReplica({ stages, slots: 8, contextLength: 400, decodeRowsMin: 1 });
  await replica.connect();
  const beganMs = replica.clock.now();
  const readers = Array.from({ length: 8 }, () => replica.submit({ tokensMax: 100 }));
  while (readers.some((reader) => !reader.over)) replica.clock.advance(1);
  for (const reader of readers) reader.check();
  return replica.clock.now() - beganMs;
}

test("stages all work at once: two halves of a model with a core each are at least 1.3 times as fast as the whole", async () => {
  // A run has a fixed cost beside its rows, so micro-batches of half the rows cannot give the full factor 2.
  expect((await timeOf(1)) / (await timeOf(2))).toBeGreaterThan(1.3);
});

test("a sequence that decodes waits for one chunk of at most 50 ms at a time while long prompts are computed", async () => {
  const replica = new LedReplica({ stages: 1, slots: 8, contextLength: 4_000, decodeRowsMin: 1 });
  await replica.connect();
  replica.submit({ promptIds: new Int32Array(200), tokensMax: 1 });
  replica.clock.advance(1_000);
  const decoding = replica.submit({ tokensMax: 60 });
  replica.clock.advance(100);
  const long = [1, 2].map(() => replica.submit({ promptIds: new Int32Array(1_500), tokensMax: 1 }));
  replica.clock.advance(20_000);
  const gaps = decoding.atMs.slice(1).map((atMs, index) => atMs - (decoding.atMs[index] ?? 0));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(70);
  for (const reader of [decoding, ...long]) reader.check();
});
