/** The contract of the store of sequences in memory. */
import { describe } from "vitest";
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
      wipe: async () => store.records.wipe(),
      [Symbol.asyncDispose]: async () => {},
    };
  });
});
