/** How submits reach an agent once, and what happens when they do not. */
import { describe, expect, test } from "vitest";
import { turns } from "../../../support/fake-clock.ts";
import { MODEL, type Rig, servingRig, started } from "./serving-rig.ts";

/** Links dialed, text bundle fetched: what a gateway that serves has. */
async function warmed(options: Parameters<typeof servingRig>[0] = {}): Promise<Rig> {
  const rig = await servingRig(options);
  rig.serving.warm();
  await turns(60);
  return rig;
}

/** One more under way, which the agent does not answer for 5 s: what is submitted beside it takes the bus. */
async function busy(options: Parameters<typeof servingRig>[0] = {}): Promise<Rig> {
  const rig = await warmed(options);
  rig.agent.policy = { kind: "silent" };
  await started(rig);
  rig.agent.policy = { kind: "accept" };
  rig.agent.generations.splice(0);
  return rig;
}
const resent = (rig: Rig) => rig.metric("nereid_submits_resent_total");

test("while an agent has so many to answer, the next one takes the bus", async () => {
  await using rig = await warmed({ linkSubmitsMax: 3 });
  rig.agent.policy = { kind: "silent" };
  rig.broker.drop((subject) => subject.startsWith("node."));
  for (let submit = 1; submit <= 5; submit++) await started(rig);
  expect(rig.agent.generations).toHaveLength(3);
});

describe("the two ways to an agent", () => {
  test("a submit that the bus loses goes over the link after 250 ms, and not before", async () => {
    await using rig = await busy();
    rig.broker.drop((subject) => subject.startsWith("node."));
    const run = await started(rig);
    await rig.clock.pass(249);
    expect(rig.agent.generations).toHaveLength(0);
    await rig.clock.pass(1);
    expect(rig.agent.generations).toHaveLength(1);
    expect(run.events).toHaveLength(1);
    expect(await resent(rig)).toBe(1);
  });

  test("a submit that the bus only delays runs once: the late copy is dropped", async () => {
    await using rig = await busy();
    rig.broker.delay(400);
    const run = await started(rig);
    await rig.clock.pass(500);
    expect(rig.agent.generations).toHaveLength(1);
    expect(rig.agent.dropped).toBe(1);
    rig.agent.last.say("once");
    rig.agent.last.finish();
    await turns();
    expect(run.text).toBe("once");
  });

  test("an answer that comes late makes the copy over the link superfluous, and it does no harm", async () => {
    await using rig = await busy();
    rig.links.delay(300);
    const run = await started(rig);
    await rig.clock.pass(1_000);
    expect(rig.agent.generations).toHaveLength(1);
    expect(rig.agent.last.heard).toEqual(["copy"]);
    rig.agent.last.say("fine");
    rig.agent.last.finish();
    await rig.clock.pass(300);
    expect(run.text).toBe("fine");
  });

  test("an answer in time leaves the link alone", async () => {
    await using rig = await busy();
    await started(rig);
    await rig.clock.pass(1_000);
    expect(rig.agent.last.heard).toEqual([]);
    expect(await resent(rig)).toBe(0);
  });

  test("a submit takes the link at once while the agent has none to answer, and leaves the bus alone", async () => {
    await using rig = await warmed();
    rig.broker.drop((subject) => subject.startsWith("node."));
    for (let submit = 1; submit <= 3; submit++) {
      await started(rig);
      expect(rig.agent.generations).toHaveLength(submit);
    }
    expect(await resent(rig)).toBe(0);
  });

  test("while the broker is away submits take the link at once", async () => {
    await using rig = await busy();
    rig.broker.disconnect();
    const run = await started(rig);
    expect(run.events).toHaveLength(1);
    expect(await resent(rig)).toBe(0);
  });

  test("prompts above 32 KB take the link, in as many frames as they need", async () => {
    await using rig = await busy({ contextLength: 200_000 });
    const busMessages: string[] = [];
    rig.broker.drop((subject) => {
      if (subject.startsWith("node.")) busMessages.push(subject);
      return false;
    });
    for (const tokens of [9_000, 16_384, 40_000]) {
      const ids = Array.from({ length: tokens }, (_, index) => index % 256);
      await started(rig, { prompt: { kind: "ids", ids } });
      expect([...rig.agent.last.submit.promptIds]).toEqual(ids);
    }
    expect(busMessages).toEqual([]);
  });

  test("a canceled submit is reset over the link, and its late copy on the bus does not run", async () => {
    await using rig = await busy();
    rig.broker.delay(100);
    const client = new AbortController();
    const run = await started(rig, {}, client.signal);
    client.abort(new Error("gone"));
    await rig.clock.pass(500);
    expect(run.done).toBe(true);
    expect(rig.agent.generations).toHaveLength(0);
    expect(rig.agent.dropped).toBe(1);
  });

  test("an agent that never answers is given up after 5 s with a clear error", async () => {
    await using rig = await busy();
    rig.agent.policy = { kind: "silent" };
    const run = await started(rig);
    await rig.clock.pass(5_000);
    expect(run.error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("did not answer") });
    expect(rig.agent.last.heard).toEqual(["copy", "reset"]);
  });
});

describe("refusals", () => {
  test("a refused generation is tried on another replica", async () => {
    await using rig = await warmed({ agents: 2 });
    const [first, second] = rig.agents;
    if (first !== undefined) first.policy = { kind: "refuse", reason: "draining" };
    rig.beat(1, { busySlots: 3 }); // the first one is chosen first
    const run = await started(rig);
    expect(run.events).toMatchObject([{ kind: "started" }]);
    expect(second?.generations).toHaveLength(1);
    expect(await rig.metric(`nereid_generations_rerouted_total{model="${MODEL}"}`)).toBe(1);
  });

  test("when all are full the client is told so, when all drain it is told to try again", async () => {
    await using rig = await warmed({ agents: 2 });
    for (const agent of rig.agents) agent.policy = { kind: "refuse", reason: "full" };
    expect((await started(rig)).error).toMatchObject({ code: "RESOURCE_EXHAUSTED", message: expect.stringContaining(MODEL) });
    for (const agent of rig.agents) agent.policy = { kind: "refuse", reason: "draining" };
    expect((await started(rig)).error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("not now") });
  });

  test("a node that cannot be dialed is passed over", async () => {
    await using rig = await servingRig({ agents: 2 });
    if (rig.agents[0] !== undefined) rig.agents[0].address = "memory:nowhere";
    rig.beat(0);
    rig.beat(1, { busySlots: 3 });
    const run = await started(rig);
    expect(run.events).toHaveLength(1);
    expect(rig.agents[1]?.generations).toHaveLength(1);
  });

  test("a node that hangs at dialing is passed over after a second", async () => {
    await using rig = await servingRig({ agents: 2 });
    rig.links.partition(rig.agent.address);
    rig.beat(1, { busySlots: 3 });
    const run = await started(rig);
    expect(run.events).toHaveLength(0);
    await rig.clock.pass(1_000);
    await turns(60);
    expect(run.events).toHaveLength(1);
  });

  test("a link that goes before the answer sends the generation elsewhere", async () => {
    await using rig = await warmed({ agents: 2 });
    rig.agent.policy = { kind: "silent" };
    rig.beat(1, { busySlots: 3 });
    const run = await started(rig);
    rig.links.disconnect(rig.agent.address);
    await turns(60);
    expect(run.events).toHaveLength(1);
    expect(rig.agents[1]?.generations).toHaveLength(1);
  });
});

describe("routing", () => {
  test("generations of one moment are spread over the replicas by what is under way", async () => {
    await using rig = await warmed({ agents: 3 });
    await Promise.all(Array.from({ length: 12 }, () => started(rig)));
    expect(rig.agents.map(({ generations }) => generations.length)).toEqual([4, 4, 4]);
  });

  test("an unknown model is NOT_FOUND", async () => {
    await using rig = await warmed();
    const run = await started(rig, { model: "nobody" });
    expect(run.error).toMatchObject({ code: "NOT_FOUND", reason: "model_not_found", param: "model" });
    expect(String(run.error)).toContain("nobody");
  });

  test("a model whose replicas are not ready is UNAVAILABLE", async () => {
    await using rig = await warmed();
    rig.beat(0, { ready: false });
    const run = await started(rig);
    expect(run.error).toMatchObject({ code: "UNAVAILABLE", reason: "model_loading" });
  });
});

describe("text bundles", () => {
  test("a bundle is fetched once for all who ask at the same time, and kept", async () => {
    await using rig = await servingRig();
    const runs = await Promise.all([started(rig), started(rig), started(rig)]);
    expect(runs.map(({ events }) => events.length)).toEqual([1, 1, 1]);
    await started(rig);
    expect(rig.agent.bundlesSent).toBe(1);
  });

  test("a node that gives another bundle than it promised is DATA_LOSS", async () => {
    await using rig = await servingRig();
    rig.beat(0, { textDigest: "0".repeat(64) });
    const run = await started(rig);
    expect(run.error).toMatchObject({ code: "DATA_LOSS", message: expect.stringContaining("node-1") });
  });

  test("warming dials and fetches before anyone asks", async () => {
    await using rig = await warmed();
    expect(rig.agent.links).toHaveLength(1);
    expect(rig.agent.bundlesSent).toBe(1);
  });
});
