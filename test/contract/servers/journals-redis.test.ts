/** The contract of the store of journals on a real Redis. */
import { describe } from "vitest";
import { redisJournalStore } from "../../../core/store/journals/redis.ts";
import { journalStoreContract } from "../journal-store.ts";
import { redisRig } from "./redis-rig.ts";

const redis = redisRig();

describe("journals in Redis", () => {
  journalStoreContract(async () => {
    const stack = new AsyncDisposableStack();
    return {
      ...redis.faults,
      connect: async () => redisJournalStore(stack.use(await redis.connected())),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  });
});
