/** The contract of the store of quotas in memory. */
import { describe, expect, test } from "vitest";
import { MemoryQuotaStore } from "../../core/store/quotas/memory.ts";
import { quotaStoreContract } from "./quota-store.ts";

describe("quotas in memory", () => {
  quotaStoreContract(async () => {
    const store = new MemoryQuotaStore();
    return { connect: async () => store, wipe: async () => store.wipe(), [Symbol.asyncDispose]: async () => {} };
  });

  test("a store that is away says so", async () => {
    const store = new MemoryQuotaStore();
    store.setAway(true);
    await expect(store.exchange(1, new Map())).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "store_unavailable" });
  });
});
