/** The contract of the store of generations in memory. */
import { describe } from "vitest";
import { MemoryGenerationStore } from "../../core/store/generations/memory.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { generationStoreContract } from "./generation-store.ts";

describe("generations in memory", () => {
  generationStoreContract(async () => {
    const clock = new FakeClock();
    const store = new MemoryGenerationStore(clock);
    return {
      connect: async () => store,
      pass: async (ms) => clock.advance(ms),
      wipe: async () => store.records.wipe(),
      [Symbol.asyncDispose]: async () => {},
    };
  });
});
