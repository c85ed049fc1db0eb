/** What every adapter of the store of quotas promises. */
import { expect, test } from "vitest";
import type { QuotaStore } from "../../core/store/quotas/quota-store.ts";

export interface QuotaStoreRig extends AsyncDisposable {
  /** As another gateway sees the same store. */
  connect(): Promise<QuotaStore>;
  /** Everything that the store holds is lost. */
  wipe(): Promise<void>;
}

const used = (requests: number, tokens: number) => ({ requests, tokens });

export function quotaStoreContract(open: () => Promise<QuotaStoreRig>): void {
  test("what gateways add is one sum, answered to each", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    expect(await one.exchange(7, new Map([["a", used(1, 100)]]))).toEqual(new Map([["a", used(1, 100)]]));
    const both = new Map([
      ["a", used(2, -30)],
      ["odd: key\u0000", used(1, 1)],
    ]);
    expect([...(await two.exchange(7, both))]).toEqual([
      ["a", used(3, 70)],
      ["odd: key\u0000", used(1, 1)],
    ]);
    expect(await one.exchange(7, new Map([["a", used(0, 0)]]))).toEqual(new Map([["a", used(3, 70)]]));
  });

  test("every day begins with nothing", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await store.exchange(7, new Map([["a", used(1, 100)]]));
    expect(await store.exchange(8, new Map([["a", used(1, 1)]]))).toEqual(new Map([["a", used(1, 1)]]));
    expect(await store.exchange(7, new Map([["a", used(0, 0)]]))).toEqual(new Map([["a", used(1, 100)]]));
  });

  test("of many gateways at a time nothing is lost", async () => {
    await using rig = await open();
    const stores = await Promise.all(Array.from({ length: 4 }, () => rig.connect()));
    await Promise.all(Array.from({ length: 200 }, (_, index) => stores[index % 4]?.exchange(7, new Map([["a", used(1, index)]]))));
    const total = await stores[0]?.exchange(7, new Map([["a", used(0, 0)]]));
    expect(total).toEqual(new Map([["a", used(200, (199 * 200) / 2)]]));
  });

  test("one that was emptied begins again", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await store.exchange(7, new Map([["a", used(5, 5)]]));
    await rig.wipe();
    expect(await store.exchange(7, new Map([["a", used(1, 2)]]))).toEqual(new Map([["a", used(1, 2)]]));
  });
}
