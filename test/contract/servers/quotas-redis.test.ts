/** The contract of the store of quotas on a real Redis. */
import { describe, expect, test } from "vitest";
import { redisQuotaStore } from "../../../core/store/quotas/redis.ts";
import { quotaStoreContract } from "../quota-store.ts";
import { redisRig } from "./redis-rig.ts";

const redis = redisRig();

describe("quotas in Redis", () => {
  quotaStoreContract(async () => {
    const stack = new AsyncDisposableStack();
    return {
      ...redis.faults,
      connect: async () => redisQuotaStore(stack.use(await redis.connected())),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  });

  test("a day that is over is forgotten", async () => {
    await using connection = await redis.connected();
    await redisQuotaStore(connection).exchange(7, new Map([["a", { requests: 1, tokens: 1 }]]));
    await redis.faults.pass(2 * 86_400_000);
    expect(await redis.command("KEYS", "nereid:quota:*")).toEqual([]);
  });
});
