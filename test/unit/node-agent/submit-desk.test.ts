import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { nodeId } from "../../../core/ids.ts";
import type { SubmitBody } from "../../../core/messages/generation.ts";
import { encodeSubmit } from "../../../core/messages/submit-codec.ts";
import { submitFrames } from "../../../core/messages/submit-frames.ts";
import { textBundleDigest } from "../../../core/model/text-bundle-codec.ts";
import { seededRandom } from "../../../core/random.ts";
import { ModelSources } from "../../../core/repository/model-sources.ts";
import { createMetrics } from "../../../core/telemetry/metrics.ts";
import { Gateways } from "../../../node-agent/calls/gateways.ts";
import { Models } from "../../../node-agent/models/models.ts";
import { WholeModels } from "../../../node-agent/models/whole-models.ts";
import { SubmitDesk } from "../../../node-agent/submit-desk.ts";
import { Watchers } from "../../../node-agent/watchers.ts";
import { turns } from "../../support/fake-clock.ts";
import { ScriptedModelRunners } from "../../support/scripted/scripted-model-runner.ts";
import { scriptedTokens } from "../../support/scripted/scripted-stage.ts";
import { generationOf, HostingRig, loadShard, REPLICA } from "./hosting-rig.ts";
import { GatewayEnd, linkPair } from "./link-pair.ts";

const TEXT = new TextEncoder().encode("the tokenizer");

/** A desk whose node leads one ready replica, and a gateway's link to it. */
async function desk({ connected = true } = {}) {
  const rig = new HostingRig({ text: TEXT });
  const { clock, hub, log } = rig;
  const wire = hub.openWire();
  const random = seededRandom(1n);
  const sources = new ModelSources({ repositoryFolders: [tmpdir()], uploadsFolder: tmpdir(), random });
  const runners = new ScriptedModelRunners({ clock, signature: { inputs: [], outputs: [] } });
  const shared = { clock, logger: log.logger };
  using metrics = createMetrics();
  const models = new Models({ ...shared, node: nodeId("node-1"), wire, runners: hub, cutter: rig.cutter, metrics, memory: rig.memory });
  const gateways = new Gateways();
  const whole = new WholeModels({ ...shared, gateways, sources, runners, cache: undefined, startAfter: 0, onRestart: () => {} });
  const one = new SubmitDesk(models, whole, {
    ...shared,
    gateways,
    random,
    sources,
    watchers: new Watchers(),
    beat: () => {},
    obey: () => {},
    statistics: (model) => ({ incarnation: "i", models: [...whole.statistics(model)] }),
  });
  models.load(loadShard());
  await clock.pass(0);
  models.connect(rig.connect(1, connected ? wire.address : "unix:nowhere"));
  await clock.pass(200);
  const pair = await linkPair(clock);
  one.welcome(pair.agent);
  const bytesOf = (number: number, body: SubmitBody) => encodeSubmit({ session: pair.gateway.session, number, body });
  return {
    ...pair,
    rig,
    models,
    end: (number: number) => new GatewayEnd(pair.gateway.open(number, "tokens")),
    overBus: async (number: number, body: SubmitBody) => {
      one.submitted(bytesOf(number, body));
      await turns();
    },
    overLink: async (end: GatewayEnd, body: SubmitBody) => {
      for (const frame of submitFrames(bytesOf(end.stream.number, body))) end.stream.write(frame);
      await turns();
    },
    submitted: (bytes: Uint8Array) => one.submitted(bytes),
    running: () => {
      const load = models.lead(REPLICA)?.engine.load();
      return (load?.busySlots ?? 0) + (load?.queued ?? 0);
    },
  };
}

const expected = scriptedTokens([3, 1, 4, 1, 5], 6, { seed: 0n, choice: 0 });

describe("a submit", () => {
  test("over the bus is answered on the stream of its number", async () => {
    const { rig, end, overBus } = await desk();
    const answer = end(1);
    await overBus(1, generationOf());
    await rig.clock.pass(500);
    expect(answer.kinds[0]).toBe("accepted");
    expect(answer.ids).toEqual(expected);
  });

  test("over the link is answered on its own stream", async () => {
    const { rig, end, overLink } = await desk();
    const answer = end(1);
    await overLink(answer, generationOf());
    await rig.clock.pass(500);
    expect(answer.ids).toEqual(expected);
  });

  test("that comes both ways runs once, whichever comes first", async () => {
    const { rig, end, overBus, overLink, running } = await desk();
    const [first, second] = [end(1), end(2)];
    await overBus(1, generationOf());
    await overLink(first, generationOf());
    await overLink(second, generationOf());
    await overBus(2, generationOf());
    expect(running()).toBe(2);
    await rig.clock.pass(500);
    for (const answer of [first, second]) {
      expect(answer.kinds.filter((kind) => kind === "accepted").length).toBe(1);
      expect(answer.ids).toEqual(expected);
    }
  });

  test("that is canceled before it comes does not run", async () => {
    const { end, overBus, running } = await desk();
    end(1).stream.reset("the client is gone");
    await turns();
    await overBus(1, generationOf());
    expect(running()).toBe(0);
  });

  test("that is canceled while it runs is not computed any further", async () => {
    const { end, overBus, running } = await desk();
    const answer = end(1);
    await overBus(1, generationOf({ tokensMax: 100, choices: 3 }));
    expect(running()).toBe(3);
    answer.stream.reset("the client is gone");
    await turns();
    expect(running()).toBe(0);
  });

  test("of a session that is not here yet is left to the link", async () => {
    const { gateway, submitted, running } = await desk();
    submitted(encodeSubmit({ session: `${gateway.session}x`, number: 1, body: generationOf() }));
    await turns();
    expect(running()).toBe(0);
  });

  test("of a session whose link is gone is dropped, and what that session ran is canceled", async () => {
    const { gateway, end, overBus, running } = await desk();
    end(1);
    await overBus(1, generationOf({ tokensMax: 100 }));
    expect(running()).toBe(1);
    gateway.close();
    await turns();
    expect(running()).toBe(0);
    await overBus(2, generationOf({ tokensMax: 100 }));
    expect(running()).toBe(0);
  });

  test("that makes no sense is dropped with a warning, or refused on its stream, and the next one is answered", async () => {
    const { rig, end, overBus, submitted } = await desk();
    submitted(Uint8Array.of(77, 1, 2));
    expect(rig.log.lines.at(-1)).toContain("a submit that does not fit was dropped");
    const bad = end(1);
    bad.stream.write(Uint8Array.of(99));
    await turns();
    expect(bad.frames).toMatchObject([{ kind: "failed", code: "INVALID_ARGUMENT" }]);
    const good = end(2);
    await overBus(2, generationOf());
    await rig.clock.pass(500);
    expect(good.ids).toEqual(expected);
  });
});

describe("a generation is not executed", () => {
  test("when its replica is not led here", async () => {
    const { end, overBus } = await desk();
    const answer = end(1);
    await overBus(1, generationOf({ replica: "other/1/0" }));
    expect(answer.frames).toMatchObject([{ kind: "refused", reason: "not-here" }]);
  });

  test("when its replica is not ready", async () => {
    const { end, overBus } = await desk({ connected: false });
    const answer = end(1);
    await overBus(1, generationOf());
    expect(answer.frames).toMatchObject([{ kind: "refused", reason: "not-ready" }]);
  });

  test("when slots and queue are full: another node may", async () => {
    const { end, overBus } = await desk();
    const ends = Array.from({ length: 21 }, (_, index) => end(index + 1));
    for (const [index] of ends.entries()) await overBus(index + 1, generationOf({ tokensMax: 100 }));
    expect(ends.map(({ kinds }) => kinds[0])).toEqual([...Array(20).fill("accepted"), "refused"]);
    expect(ends.at(-1)?.frames[0]).toMatchObject({ reason: "full", message: expect.stringContaining("is full") });
  });

  test("when it cannot be: no other node is asked", async () => {
    const { end, overBus } = await desk();
    const answer = end(1);
    await overBus(1, generationOf({ choices: 5 }));
    expect(answer.frames).toMatchObject([{ kind: "failed", code: "INVALID_ARGUMENT" }]);
  });

  test("and its stream ends, so that nothing of it stays", async () => {
    const { end, overBus } = await desk();
    const answer = end(1);
    await overBus(1, generationOf({ replica: "other/1/0" }));
    answer.stream.end();
    await turns();
    expect(answer.end).toEqual({ kind: "end" });
  });
});

describe("what else is asked", () => {
  test("a text bundle comes whole, by its digest", async () => {
    const { end, overBus } = await desk();
    const answer = end(1);
    await overBus(1, { kind: "text-bundle", digest: textBundleDigest(TEXT) });
    expect(answer.frames).toEqual([
      { kind: "accepted", queued: 0 },
      { kind: "part", bytes: TEXT },
    ]);
  });

  test("a bundle that is not here is refused by its digest", async () => {
    const { end, overBus } = await desk();
    const answer = end(1);
    await overBus(1, { kind: "text-bundle", digest: "abc" });
    expect(answer.frames).toMatchObject([{ kind: "refused", reason: "not-here", message: expect.stringContaining("abc") }]);
  });

  test("statistics are the node's", async () => {
    const { end, overBus } = await desk();
    const answer = end(1);
    await overBus(1, { kind: "statistics", model: "" });
    expect(answer.frames[1]).toEqual({ kind: "part", bytes: new TextEncoder().encode('{"incarnation":"i","models":[]}') });
  });

  test("an inference on a model that is not here is refused", async () => {
    const { end, overBus } = await desk();
    const answer = end(1);
    const inference = { id: "", priority: 0, queueTimeoutUs: 0, parameters: new Map(), inputs: [], outputs: [] };
    await overBus(1, { ...inference, kind: "infer", replica: "add/1/0", tenant: "", remainingMs: undefined, traceparent: "" });
    expect(answer.frames).toMatchObject([{ kind: "refused", reason: "not-here" }]);
  });
});
