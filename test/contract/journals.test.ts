/** The contract of the store of journals in memory. */
import { describe } from "vitest";
import { MemoryJournalStore } from "../../core/store/journals/memory.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { journalStoreContract } from "./journal-store.ts";

describe("journals in memory", () => {
  journalStoreContract(async () => {
    const clock = new FakeClock();
    const store = new MemoryJournalStore(clock);
    return {
      connect: async () => store,
      pass: async (ms) => clock.advance(ms),
      wipe: async () => store.records.wipe(),
      [Symbol.asyncDispose]: async () => {},
    };
  });
});
