/** A gateway knows for how long it has reached neither the broker nor any node. */
import { describe, expect, test } from "vitest";
import { ClusterReach, CUT_OFF_MS } from "../../../../gateway/control/cluster-reach.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

function reachRig() {
  const clock = new FakeClock();
  const state = { connected: true, hearing: 1 };
  let changed = () => {};
  const bus = {
    get connected() {
      return state.connected;
    },
    onConnection: (listener: (connected: boolean) => void) => {
      changed = () => listener(state.connected);
      return { unsubscribe: () => {} };
    },
  };
  const reach = new ClusterReach({ bus, hearing: () => state.hearing, clock });
  const broker = (connected: boolean) => {
    state.connected = connected;
    changed();
  };
  const hearing = (count: number) => {
    state.hearing = count;
    reach.look();
  };
  return { clock, reach, broker, hearing };
}

describe("a gateway", () => {
  test("that hears a node over its link is not cut off, however long the broker is away", async () => {
    const { clock, reach, broker } = reachRig();
    broker(false);
    await clock.pass(10 * CUT_OFF_MS);
    expect(reach.isThere).toBe(true);
    expect(() => reach.check()).not.toThrow();
  });

  test("that reaches nobody says so at once, and refuses only when it lasts", async () => {
    const { clock, reach, broker, hearing } = reachRig();
    broker(false);
    await clock.pass(CUT_OFF_MS);
    hearing(0);
    expect(reach.isThere).toBe(false);
    await clock.pass(CUT_OFF_MS - 1);
    expect(() => reach.check()).not.toThrow();
    await clock.pass(1);
    expect(() => reach.check()).toThrowError(expect.objectContaining({ code: "UNAVAILABLE", reason: "cut_off" }));
  });

  test("serves again as soon as it reaches anybody, and counts the next absence anew", async () => {
    const { clock, reach, broker, hearing } = reachRig();
    broker(false);
    hearing(0);
    await clock.pass(2 * CUT_OFF_MS);
    hearing(1);
    expect(() => reach.check()).not.toThrow();
    hearing(0);
    await clock.pass(CUT_OFF_MS - 1);
    expect(() => reach.check()).not.toThrow();
    broker(true);
    await clock.pass(CUT_OFF_MS);
    expect(() => reach.check()).not.toThrow();
  });
});
