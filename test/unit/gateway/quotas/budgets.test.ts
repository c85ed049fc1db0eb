/** Gateways that share a store count together; without it each counts for itself, and nothing is lost that could not be told. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../../core/random.ts";
import { MemoryQuotaStore } from "../../../../core/store/quotas/memory.ts";
import { type ApiKey, newApiKey, parseApiKeys } from "../../../../gateway/access/api-keys.ts";
import { Budgets } from "../../../../gateway/quotas/budgets.ts";
import { NO_LIMITS } from "../../../../gateway/quotas/key-limits.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";

const made = newApiKey(seededRandom(3n), { tenant: "acme", access: ["inference"] });
const keyWith = (limits: string): ApiKey => {
  const [key] = parseApiKeys(`${made.line} ${limits}`).values();
  if (key === undefined) throw new Error("the line has a key");
  return key;
};

function rig() {
  const [clock, store, log] = [new FakeClock(), new MemoryQuotaStore(), new LogBook()];
  const gateway = () => new Budgets({ clock, logger: log.logger, limits: NO_LIMITS, store });
  const second = async () => {
    clock.advance(1_000);
    await turns();
  };
  return { clock, store, log, second, gateways: [gateway(), gateway()] as const };
}

test("a key without limits has no budget, and one with limits the same each time", () => {
  const { gateways } = rig();
  const [one] = gateways;
  const [free] = parseApiKeys(made.line).values();
  expect(free && one.of(free)).toBeUndefined();
  expect(one.of(keyWith("concurrent=1"))).toBe(one.of(keyWith("concurrent=1")));
  expect(one.of(keyWith("concurrent=2"))).not.toBe(one.of(keyWith("concurrent=1")));
});

test("what is used at one gateway is gone at the other within two seconds", async () => {
  const { gateways, second } = rig();
  const [one, two] = gateways.map((gateway) => gateway.of(keyWith("requests/min=6,tokens/day=1000")));
  one?.begin(1);
  two?.begin(1);
  await second();
  for (let request = 0; request < 5; request++) one?.begin(100);
  await second();
  await second();
  expect(() => two?.check()).toThrow("limited to 6 requests a minute");
  expect(two?.headers()["x-ratelimit-remaining-requests"]).toBe("0");
});

test("a store that is away is told later, and said once", async () => {
  const { clock, gateways, store, log, second } = rig();
  const [one] = gateways;
  const budget = one.of(keyWith("tokens/min=1000"));
  store.setAway(true);
  budget?.begin(10);
  await second();
  budget?.begin(10);
  await second();
  expect(log.lines).toEqual(["warn what API keys have used is not shared for now: the store is away"]);
  store.setAway(false);
  await second();
  const today = Math.floor(clock.wallClockMs() / 86_400_000);
  expect(await store.exchange(today, new Map([[made.line.slice(0, 12), { requests: 0, tokens: 0 }]]))).toEqual(
    new Map([[made.line.slice(0, 12), { requests: 2, tokens: 20 }]]),
  );
});

test("a store that was emptied takes nothing and gives nothing", async () => {
  const { gateways, store, second } = rig();
  const [one, two] = gateways.map((gateway) => gateway.of(keyWith("requests/min=60")));
  one?.begin(1);
  two?.begin(1);
  await second();
  store.wipe();
  await second();
  expect(one?.headers()["x-ratelimit-remaining-requests"]).toBe("60");
  one?.begin(1);
});
