/** The contract of the store of sequences on a real Redis. */
import { describe, expect, test } from "vitest";
import { redisSequenceStore } from "../../../core/store/sequences/redis.ts";
import { sequenceStoreContract } from "../sequence-store.ts";
import { redisRig } from "./redis-rig.ts";

const redis = redisRig();

describe("sequences in Redis", () => {
  sequenceStoreContract(async () => {
    const stack = new AsyncDisposableStack();
    return {
      ...redis.faults,
      connect: async () => redisSequenceStore(stack.use(await redis.connected())),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  });

  test("no idle time is too long for it", async () => {
    await using connection = await redis.connected();
    const store = redisSequenceStore(connection);
    await store.begin("k", { owner: "o", fence: "f", start: "" }, Number.MAX_SAFE_INTEGER * 1.5);
    expect(await store.takeOver("k", { owner: "p", fence: "g", from: "o" }, 0.25)).toMatchObject({ kind: "taken" });
  });
});
