/** kill -9 at random moments while eight streams run: none loses a token, gets one twice or gets another one. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { killedStreams } from "../chaos/killed-streams.ts";
import { MODEL, type RunningCluster, startRealCluster } from "../support/cluster.ts";
import { type ShardCache, shardCache } from "../support/replica.ts";

const SEED = 41n;
const SOON = { interval: 20, timeout: 60_000 };
let cache: ShardCache;
let cluster: RunningCluster;
beforeAll(async () => {
  cache = await shardCache();
  cluster = await startRealCluster(cache);
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
});

test("runners of both stages are killed while eight streams run", async () => {
  const { kills, errors, lost, more, other } = await killedStreams({
    url: cluster.url,
    model: MODEL,
    clock: systemClock,
    streams: 8,
    tokens: 100,
    kills: 4,
    seed: SEED,
    kill: async (random) => {
      const pids = cluster.runnerPids();
      const pid = pids[Math.floor(random.next() * pids.length)];
      if (pid !== undefined) process.kill(pid, "SIGKILL");
      await vi.waitFor(async () => expect(await cluster.readyStatus()).toBe(400), SOON);
      await vi.waitFor(async () => expect(await cluster.readyStatus()).toBe(200), SOON);
    },
  });
  expect({ lost, more, other, errors }, `seed ${SEED}, ${kills} kills`).toEqual({ lost: 0, more: 0, other: 0, errors: [] });
  expect(kills).toBe(4);
}, 400_000);
