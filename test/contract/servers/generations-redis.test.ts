/** The contract of the store of generations on a real Redis. */
import { describe } from "vitest";
import { redisGenerationStore } from "../../../core/store/generations/redis.ts";
import { generationStoreContract } from "../generation-store.ts";
import { redisRig } from "./redis-rig.ts";

const redis = redisRig();

describe("generations in Redis", () => {
  generationStoreContract(async () => {
    const stack = new AsyncDisposableStack();
    return {
      ...redis.faults,
      connect: async () => redisGenerationStore(stack.use(await redis.connected())),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  });
});
