import { describe, expect, test } from "vitest";
import { StandbyRunners } from "../../../../node-agent/runners/standby-runners.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { ScriptedRunners } from "../../../support/scripted/scripted-runners.ts";

function keeping(wanted: number) {
  const clock = new FakeClock();
  const hub = new ScriptedRunners({ clock });
  return { clock, hub, runners: new StandbyRunners(hub, { wanted, clock }) };
}

describe("runners that stand by", () => {
  test("are started some seconds after the first that is asked for, and are the next that anybody gets", async () => {
    const { clock, hub, runners } = keeping(1);
    await clock.pass(60_000);
    expect(hub.runners.length).toBe(0);
    const first = runners.start();
    await clock.pass(2_999);
    expect(hub.runners).toEqual([first]);
    await clock.pass(1);
    expect(hub.runners.length).toBe(2);
    expect(runners.start()).toBe(hub.runners[1]);
    await clock.pass(3_000);
    expect(hub.runners.length).toBe(3);
  });

  test("do not hold up who asks when there is none", async () => {
    const { hub, runners } = keeping(1);
    expect([runners.start(), runners.start()]).toEqual(hub.runners);
  });

  test("are replaced when they die", async () => {
    const { clock, hub, runners } = keeping(2);
    runners.start();
    await clock.pass(3_000);
    hub.runners[1]?.kill();
    await clock.pass(3_000);
    expect(hub.runners.length).toBe(4);
    expect([runners.start(), runners.start()]).toEqual(hub.runners.slice(2));
  });

  test("end with their node, and leave no timer", async () => {
    const { clock, hub, runners } = keeping(2);
    runners.start();
    await clock.pass(3_000);
    runners.start();
    const closing = runners[Symbol.asyncDispose]();
    await clock.pass(0);
    await closing;
    expect(await hub.runners[2]?.exited).toMatchObject({ code: 0 });
    expect(clock.pending).toBe(0);
  });

  test("are none where none are wanted", async () => {
    const { clock, hub, runners } = keeping(0);
    runners.start();
    await clock.pass(60_000);
    expect(hub.runners.length).toBe(1);
  });
});
