/** Gateways that share one lease, on a clock and a store that fail as the test says. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../../core/random.ts";
import { MemoryPlacementStore } from "../../../../core/store/placement/memory.ts";
import { OTHERS_PLACE, type PlacementLease } from "../../../../core/store/placement/placement-lease.ts";
import { LEASE_TTL_MS, PlacementDuty } from "../../../../gateway/control/placement-duty.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";

function cluster() {
  const clock = new FakeClock();
  const store = new MemoryPlacementStore({ clock, random: seededRandom(2n) });
  const log = new LogBook();
  const heard = { fence: 0 };
  const gateway = (holder: string, own = clock, { lease }: { readonly lease: PlacementLease } = store) => {
    const seen: (number | undefined)[] = [];
    const duty: PlacementDuty = new PlacementDuty({
      lease,
      holder,
      clock: own,
      logger: log.logger,
      fenceHeard: () => heard.fence,
      onChange: () => seen.push(duty.fence()),
    });
    return { duty, seen };
  };
  return { clock, store, log, heard, gateway };
}

/** As if the process had been stopped for a while: time has passed, and its timers fire afterwards. */
class HeldUpClock extends FakeClock {
  #heldUpMs = 0;

  override now(): number {
    return super.now() + this.#heldUpMs;
  }

  holdUp(byMs: number): void {
    this.#heldUpMs += byMs;
  }
}

describe("the duty to place", () => {
  test("never comes to a gateway that leaves it to others, not even when nobody else is there", async () => {
    const { clock, gateway } = cluster();
    const serving = gateway("a", clock, { lease: OTHERS_PLACE });
    await clock.pass(10_000);
    const placing = gateway("b");
    await clock.pass(1_000);
    expect([serving.duty.fence(), placing.duty.fence()]).toEqual([undefined, 1]);
    await Promise.all([serving, placing].map(({ duty }) => duty[Symbol.asyncDispose]()));
  });

  test("is one gateway's at a time, and stays with it", async () => {
    const { clock, gateway } = cluster();
    const [a, b] = [gateway("a"), gateway("b")];
    for (let second = 0; second < 30; second++) {
      await clock.pass(1_000);
      expect([a.duty.fence(), b.duty.fence()]).toEqual([1, undefined]);
    }
    expect(a.seen).toEqual([1]);
  });

  test("is taken over within the lease's term when the holder dies, with a higher fence", async () => {
    const { clock, store, gateway } = cluster();
    await store.lease.hold({ holder: "dead", ttlMs: LEASE_TTL_MS, fenceMin: 0 });
    const b = gateway("b");
    await clock.pass(LEASE_TTL_MS - 1);
    expect(b.duty.fence()).toBeUndefined();
    await clock.pass(10);
    expect(b.duty.fence()).toBe(2);
  });

  test("is taken over as soon as the holder looks again when that stops in good order", async () => {
    const { clock, gateway } = cluster();
    const [a, b] = [gateway("a"), gateway("b")];
    await clock.pass(100);
    const stopping = a.duty[Symbol.asyncDispose]();
    await clock.pass(0);
    await stopping;
    expect(a.duty.fence()).toBeUndefined();
    await clock.pass(LEASE_TTL_MS / 3 + 10);
    expect(b.duty.fence()).toBe(2);
  });

  test("is nobody's for a holder that was held up for longer than its term, until it has asked again", async () => {
    const { gateway } = cluster();
    const clock = new HeldUpClock();
    const a = gateway("a", clock);
    await clock.pass(0);
    expect(a.duty.fence()).toBe(1);
    clock.holdUp(LEASE_TTL_MS + 1);
    expect(a.duty.fence()).toBeUndefined();
    await clock.pass(LEASE_TTL_MS);
    expect(a.duty.fence()).toBeDefined();
  });

  test("stays with the last holder while the store is away, and nobody else gets it", async () => {
    const { clock, store, gateway, log } = cluster();
    const [a, b] = [gateway("a"), gateway("b")];
    await clock.pass(100);
    store.setAway(true);
    await clock.pass(20_000);
    expect([a.duty.fence(), b.duty.fence()]).toEqual([1, undefined]);
    store.setAway(false);
    await clock.pass(2_000);
    expect([a.duty.fence(), b.duty.fence()].filter((fence) => fence !== undefined)).toHaveLength(1);
    expect(log.lines.filter((line) => line.startsWith("warn the placement lease cannot be asked for"))).toHaveLength(2);
  });

  test("comes with a fence above every one that an agent has heard, though the store was emptied", async () => {
    const { clock, store, heard, gateway } = cluster();
    const a = gateway("a");
    await clock.pass(0);
    heard.fence = 7;
    store.wipe();
    await clock.pass(2_000);
    expect(a.duty.fence()).toBe(8);
    expect(a.seen).toEqual([1, 8]);
  });

  test("leaves no timer behind when it is over", async () => {
    const { clock, gateway } = cluster();
    const a = gateway("a");
    const stopping = a.duty[Symbol.asyncDispose]();
    await clock.pass(0);
    await stopping;
    expect(clock.pending).toBe(0);
  });
});
