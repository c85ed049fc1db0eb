/** The contract of the store of generations in memory. */
import { describe, expect, test } from "vitest";
import { MemoryGenerationStore } from "../../core/store/generations/memory.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { generationStoreContract } from "./generation-store.ts";

const RECORD = { tenant: "a", model: "m", node: "n", incarnation: "i", fence: "f" };

describe("generations in memory", () => {
  generationStoreContract(async () => {
    const clock = new FakeClock();
    const store = new MemoryGenerationStore(clock);
    return {
      connect: async () => store,
      pass: async (ms) => clock.advance(ms),
      wipe: async () => store.wipe(),
      [Symbol.asyncDispose]: async () => {},
    };
  });

  test("a store that is away says so", async () => {
    const store = new MemoryGenerationStore(new FakeClock());
    store.setAway(true);
    await expect(store.begin("g", RECORD, 1)).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "store_unavailable" });
    store.setAway(false);
    await store.begin("g", RECORD, 1);
  });

  test("what has expired does not fill the memory", async () => {
    const clock = new FakeClock();
    const store = new MemoryGenerationStore(clock);
    for (let index = 0; index < 5_000; index++) {
      await store.begin(`g${index}`, RECORD, 1_000);
      clock.advance(10);
    }
    expect(store.count).toBeLessThan(1_200);
  });
});
