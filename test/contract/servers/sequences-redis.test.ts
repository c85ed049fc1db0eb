/** The contract of the store of sequences on a real Redis. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemRandom } from "../../../core/random.ts";
import { RedisConnection } from "../../../core/store/redis-connection.ts";
import { redisSequenceStore } from "../../../core/store/sequences/redis.ts";
import { type RealServer, startRedis } from "../../support/real-servers.ts";
import { LogBook } from "../../unit/node-agent/hosting-rig.ts";
import { sequenceStoreContract } from "../sequence-store.ts";
import { redisCommand } from "./redis-command.ts";
import { untilConnected } from "./until-connected.ts";

/** A busy machine is not what the contract is about. */
const PATIENT_MS = 10_000;

let redis: RealServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(() => redisCommand(redis.url, "FLUSHALL"));

const { logger } = new LogBook();

async function connected(): Promise<RedisConnection> {
  const connection = new RedisConnection({ url: redis.url, timeoutMs: PATIENT_MS }, { random: systemRandom, logger });
  await untilConnected(connection);
  return connection;
}

describe("sequences in Redis", () => {
  sequenceStoreContract(async () => {
    const stack = new AsyncDisposableStack();
    return {
      connect: async () => redisSequenceStore(stack.use(await connected())),
      async pass(ms) {
        for (const key of await redisCommand(redis.url, "KEYS", "*")) {
          const [leftMs] = await redisCommand(redis.url, "PTTL", key);
          if (Number(leftMs) > 0) await redisCommand(redis.url, "PEXPIRE", key, String(Number(leftMs) - ms));
        }
      },
      wipe: async () => void (await redisCommand(redis.url, "FLUSHALL")),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  });

  test("no idle time is too long for it", async () => {
    await using connection = await connected();
    const store = redisSequenceStore(connection);
    await store.begin("k", { owner: "o", fence: "f", start: "" }, Number.MAX_SAFE_INTEGER * 1.5);
    expect(await store.takeOver("k", { owner: "p", fence: "g", from: "o" }, 0.25)).toMatchObject({ kind: "taken" });
  });
});
