/** New requests for a model whose only copy is away wait for it, for a limited time, and are answered when it is back. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { turns } from "../../../support/fake-clock.ts";
import { inferOf, modelRig, NEVER, published } from "./model-rig.ts";
import { servingRig, started } from "./serving-rig.ts";

const WAIT = { absenceWaitMs: 10_000 };

/** How it ended, once it has. */
function watched<T>(promise: Promise<T>): { readonly state: { value?: T; error?: unknown } } {
  const state: { value?: T; error?: unknown } = {};
  promise.then(
    (value) => {
      state.value = value;
    },
    (error: unknown) => {
      state.error = error;
    },
  );
  return { state };
}

describe("a generation", () => {
  test("that comes while the only node is gone runs when the model is back", async () => {
    await using rig = await servingRig(WAIT);
    rig.beat(0, { ready: false });
    const run = await started(rig);
    await rig.clock.pass(5_000);
    expect(run.error).toBeUndefined();
    rig.beat(0);
    await rig.clock.pass(100);
    await turns(60);
    rig.agent.last.say("a");
    rig.agent.last.finish(0, "length");
    await turns(60);
    expect(run.error).toBeUndefined();
    expect(run.text).toBe("a");
  });

  test("is refused with UNAVAILABLE when the model is not back in time, and by its deadline before that", async () => {
    await using rig = await servingRig(WAIT);
    rig.beat(0, { ready: false });
    const [patient, hasty] = [await started(rig), await started(rig, { deadlineMs: 2_000 })];
    await rig.clock.pass(2_100);
    expect(hasty.error).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(patient.error).toBeUndefined();
    await rig.clock.pass(8_500);
    expect(patient.error).toMatchObject({ code: "UNAVAILABLE", reason: "model_away" });
  });

  test("for a model that nobody has ever loaded is refused at once", async () => {
    await using rig = await servingRig(WAIT);
    const run = await started(rig, { model: "other" });
    await turns(60);
    expect(run.error).toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("an inference", () => {
  const hosted = async () => {
    const rig = await modelRig(1, WAIT);
    rig.host(0, published("m"));
    await rig.beat();
    return rig;
  };

  test("for a model that is there waits for nothing", async () => {
    await using rig = await hosted();
    expect(rig.returning.ready("m", NEVER)).toBeUndefined();
  });

  test("whose door found nobody waits until a node has the model again", async () => {
    await using rig = await hosted();
    rig.fleet.forget(rig.fleet.nodes()[0]?.node ?? rig.agent(0).node);
    rig.refresh();
    const asked = async () => {
      await rig.returning.ready("m", NEVER);
      return rig.inference.infer(inferOf("m"), NEVER);
    };
    const { state } = watched(asked());
    await rig.clock.pass(5_000);
    expect(state).toEqual({});
    await rig.beat();
    await rig.clock.pass(200);
    await turns(60);
    expect(state.value).toMatchObject({ model: "m", version: "1" });
  });

  test("that every node has refused is sent again, and told why when the time is over", async () => {
    await using rig = await hosted();
    rig.agent(0).policy = "refuse";
    const [late, never] = [watched(rig.inference.infer(inferOf("m"), NEVER)), watched(rig.inference.infer(inferOf("m"), NEVER))];
    await rig.clock.pass(1_000);
    expect([late.state, never.state]).toEqual([{}, {}]);
    await rig.clock.pass(9_500);
    expect(never.state.error).toMatchObject({ code: "UNAVAILABLE" });
    const again = watched(rig.inference.infer(inferOf("m"), NEVER));
    await rig.clock.pass(1_000);
    rig.agent(0).policy = "echo";
    await rig.clock.pass(200);
    await turns(60);
    expect(again.state.value).toMatchObject({ model: "m" });
  });

  test("is refused at once where no node can be reached at all, and so are those that wait already", async () => {
    let isCutOff = false;
    const checkReach = () => {
      if (isCutOff) throw new ServingError("UNAVAILABLE", "nobody can be reached", { reason: "cut_off" });
    };
    await using rig = await modelRig(1, { ...WAIT, checkReach });
    rig.host(0, published("m"));
    await rig.beat();
    rig.fleet.forget(rig.agent(0).node);
    rig.refresh();
    const ready = async () => rig.returning.ready("m", NEVER);
    const waiting = watched(ready());
    await rig.clock.pass(1_000);
    expect(waiting.state).toEqual({});
    isCutOff = true;
    await expect(ready()).rejects.toMatchObject({ reason: "cut_off" });
    await rig.clock.pass(200);
    expect(waiting.state.error).toMatchObject({ reason: "cut_off" });
  });

  test("beyond a thousand that wait is refused at once, so that a clear answer comes", async () => {
    await using rig = await hosted();
    rig.fleet.forget(rig.fleet.nodes()[0]?.node ?? rig.agent(0).node);
    rig.refresh();
    const ready = async () => rig.returning.ready("m", NEVER);
    const waiting = Array.from({ length: 1_000 }, () => watched(ready()));
    await expect(ready()).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "model_away" });
    rig.returning[Symbol.dispose]();
    await rig.clock.pass(200);
    expect(waiting.filter(({ state }) => "value" in state)).toHaveLength(1_000); // the door says what is wrong
  });
});
