/** Rows of `npm run chaos` that are short: what is counted is asserted, times are not. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Row } from "../chaos/row.ts";
import { frozenAgent } from "../chaos/rows/frozen-agent.ts";
import { killedRunners } from "../chaos/rows/killed-runners.ts";
import { redisRestarted } from "../chaos/rows/redis-restarted.ts";
import { type ShardCache, shardCache } from "../support/replica.ts";

const SEED = 41n;
let cache: ShardCache;
beforeAll(async () => {
  cache = await shardCache();
});
afterAll(() => cache?.[Symbol.asyncDispose]());

const PROMISES: readonly (readonly [string, Row])[] = [
  ["kill -9 of runners of both stages while eight streams run: none loses a token, gets one twice or gets another one", killedRunners],
  ["SIGSTOP of an agent and its runners: its streams go on elsewhere, and nothing late comes when it wakes", frozenAgent],
  ["kill -9 of Redis, then of an agent: every step of every sequence is applied once, stateless requests go on", redisRestarted],
];

test.each(PROMISES)("%s", { timeout: 300_000 }, async (_, row) => {
  const verdict = await row.run({ seed: SEED, protected: true, environment: {}, cache });
  expect(verdict, JSON.stringify(verdict)).toMatchObject({ holds: true });
});
