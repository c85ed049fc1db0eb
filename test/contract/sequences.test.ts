/** The contract of the store of sequences in memory. */
import { describe, expect, test } from "vitest";
import { MemorySequenceStore } from "../../core/store/sequences/memory.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { sequenceStoreContract } from "./sequence-store.ts";

describe("sequences in memory", () => {
  sequenceStoreContract(async () => {
    const clock = new FakeClock();
    const store = new MemorySequenceStore(clock);
    return {
      connect: async () => store,
      pass: async (ms) => clock.advance(ms),
      wipe: async () => store.wipe(),
      [Symbol.asyncDispose]: async () => {},
    };
  });

  test("a store that is away says so", async () => {
    const store = new MemorySequenceStore(new FakeClock());
    store.setAway(true);
    await expect(store.forget("k", "f")).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "store_unavailable" });
    store.setAway(false);
    await store.forget("k", "f");
  });

  test("what has expired does not fill the memory", async () => {
    const clock = new FakeClock();
    const store = new MemorySequenceStore(clock);
    for (let index = 0; index < 5_000; index++) {
      await store.begin(`k${index}`, { owner: "o", fence: "f", start: "" }, 1_000);
      clock.advance(10);
    }
    expect(store.count).toBeLessThan(1_200);
  });
});
