import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { MemoryBroker } from "../../../core/bus/memory.ts";
import { nodeId } from "../../../core/ids.ts";
import { MemoryLinks } from "../../../core/link/memory.ts";
import type { Control } from "../../../core/messages/control.ts";
import { Heartbeat } from "../../../core/messages/heartbeat.ts";
import { decodeJson, encodeJson } from "../../../core/messages/json-message.ts";
import { SUBJECTS } from "../../../core/messages/subjects.ts";
import { encodeSubmit } from "../../../core/messages/submit-codec.ts";
import { type Random, seededRandom } from "../../../core/random.ts";
import { ModelSources } from "../../../core/repository/model-sources.ts";
import { createMetrics } from "../../../core/telemetry/metrics.ts";
import { Agent } from "../../../node-agent/agent.ts";
import { turns } from "../../support/fake-clock.ts";
import { ScriptedModelRunners } from "../../support/scripted/scripted-model-runner.ts";
import { scriptedTokens } from "../../support/scripted/scripted-stage.ts";
import { generationOf, HostingRig, loadShard, REPLICA } from "./hosting-rig.ts";
import { GatewayEnd } from "./link-pair.ts";

const NODE = nodeId("node-1");
const NEVER = new AbortController().signal;

/** An agent on memory adapters, and a bus to speak to it. */
async function start(random: Random = seededRandom(5n)) {
  const rig = new HostingRig();
  const { clock, hub, cutter, log } = rig;
  const broker = new MemoryBroker({ clock });
  const links = new MemoryLinks({ clock, random });
  const bus = broker.connect();
  const heard: Heartbeat[] = [];
  bus.subscribe(SUBJECTS.everyHeartbeat, (payload) => heard.push(decodeJson(Heartbeat, payload)));
  using metrics = createMetrics();
  const agent = await Agent.start({
    node: NODE,
    bus: broker.connect(),
    links,
    wire: hub.openWire(),
    runners: hub,
    cutter,
    modelRunners: new ScriptedModelRunners({ clock, signature: { inputs: [], outputs: [] } }),
    sources: new ModelSources({ repositoryFolders: [tmpdir()], uploadsFolder: tmpdir(), random }),
    cacheBytes: 0,
    clock,
    random,
    logger: log.logger,
    metrics,
    cpu: "scripted",
    memory: rig.memory,
  });
  const last = () => {
    const heartbeat = heard.at(-1);
    if (heartbeat === undefined) throw new Error("the agent has said nothing");
    return heartbeat;
  };
  return {
    rig,
    agent,
    bus,
    links,
    heard,
    last,
    control: async (control: Control, fence = 1) => {
      bus.publish(SUBJECTS.control(NODE), encodeJson({ fence, control }));
      await clock.pass(0);
    },
    stop: async () => {
      const stopping = agent[Symbol.asyncDispose]();
      await clock.pass(0);
      await stopping;
    },
  };
}

type Started = Awaited<ReturnType<typeof start>>;

/** Loads and connects a replica of one stage. */
async function serve({ control, rig, last }: Started): Promise<void> {
  await control(loadShard());
  await control(rig.connect(1, last().wire));
  await rig.clock.pass(200);
}

describe("an agent", () => {
  test("says at once who it is, where it is and what it has", async () => {
    const { rig, last } = await start();
    await rig.clock.pass(0);
    expect(last()).toMatchObject({
      node: "node-1",
      sequence: 1,
      link: "memory:1",
      wire: "unix:scripted/wire-0",
      cpu: "scripted",
      memoryTotalBytes: 2 ** 34,
      memoryFreeBytes: 2 ** 34,
      shards: [],
      replicas: [],
      models: [],
    });
  });

  test("is another incarnation each time it is started", async () => {
    const random = seededRandom(5n);
    const incarnations: string[] = [];
    for (let time = 0; time < 2; time++) {
      const { rig, last } = await start(random);
      await rig.clock.pass(0);
      incarnations.push(last().incarnation);
    }
    expect(incarnations[0]).not.toBe(incarnations[1]);
  });

  test("loads, connects and unloads as it is told, and says so without waiting for its next heartbeat", async () => {
    const started = await start();
    const { rig, last, control } = started;
    await rig.clock.pass(10);
    await serve(started);
    expect(last()).toMatchObject({
      shards: [{ replica: REPLICA, state: { kind: "open", epoch: 1 } }],
      replicas: [{ replica: REPLICA, ready: true }],
    });
    await control({ kind: "unload", replica: REPLICA });
    expect(last()).toMatchObject({ shards: [], replicas: [] });
    expect(rig.clock.now()).toBeLessThan(500);
  });

  test("unloads one stage of a replica where placement says which", async () => {
    const { control, last } = await start();
    for (const stage of [0, 1]) await control(loadShard({ stage, stages: 2 }));
    await control({ kind: "unload", replica: REPLICA, stage: 0 });
    expect(last().shards.map(({ stage }) => stage)).toEqual([1]);
  });

  test("drops commands that do not fit, with a warning, and obeys the next one", async () => {
    const { rig, bus, control, last } = await start();
    for (const nonsense of [encodeJson({ kind: "explode" }), Uint8Array.of(1, 2)]) bus.publish(SUBJECTS.control(NODE), nonsense);
    await rig.clock.pass(0);
    expect(rig.log.lines.filter((line) => line.startsWith("warn a control message that does not fit"))).toHaveLength(2);
    await control(loadShard());
    expect(last().shards.length).toBe(1);
  });

  test("obeys the placement with the highest fence that it has heard, and says which: what an older one still sends is dropped", async () => {
    const { rig, control, last } = await start();
    await control(loadShard({ stage: 0, stages: 2 }), 4);
    await control(loadShard({ stage: 1, stages: 2 }), 3);
    expect(last().shards.map(({ stage }) => stage)).toEqual([0]);
    expect(rig.log.lines).toContain("warn a command of a placement that was replaced was dropped");
    await control(loadShard({ stage: 1, stages: 2 }), 4);
    expect(last()).toMatchObject({ fence: 4, shards: [{ stage: 0 }, { stage: 1 }] });
  });

  test("does not hear what is said to others", async () => {
    const { rig, bus, last } = await start();
    bus.publish(SUBJECTS.control(nodeId("node-2")), encodeJson({ fence: 1, control: loadShard() }));
    await rig.clock.pass(600);
    expect(last().shards).toEqual([]);
  });

  test("answers what gateways submit over the bus, on their links", async () => {
    const started = await start();
    await serve(started);
    const { rig, links, last, bus } = started;
    const link = await links.dial(last().link, NEVER);
    const end = new GatewayEnd(link.open(1, "tokens"));
    bus.publish(SUBJECTS.submit(NODE), encodeSubmit({ session: link.session, number: 1, body: generationOf() }));
    await rig.clock.pass(500);
    expect(end.ids).toEqual(scriptedTokens([3, 1, 4, 1, 5], 6, { seed: 0n, choice: 0 }));
  });

  test("that retires fails what it runs, with its runners still up", async () => {
    const started = await start();
    await serve(started);
    const { rig, links, last, bus, agent } = started;
    const link = await links.dial(last().link, NEVER);
    const end = new GatewayEnd(link.open(1, "tokens"));
    bus.publish(SUBJECTS.submit(NODE), encodeSubmit({ session: link.session, number: 1, body: generationOf({ tokensMax: 100 }) }));
    await rig.clock.pass(100);
    agent.retire();
    await turns();
    expect(end.frames.at(-1)).toMatchObject({ kind: "failed", code: "UNAVAILABLE" });
    expect(rig.alive.length).toBe(1);
  });

  test("that stops ends its runners and links, says nothing more and leaves no timer behind", async () => {
    const started = await start();
    await serve(started);
    const { rig, links, last, heard, stop, control } = started;
    const link = await links.dial(last().link, NEVER);
    await stop();
    await expect(link.closed).resolves.toBeTypeOf("string");
    await expect(links.dial(last().link, NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const told = heard.length;
    await control(loadShard());
    await rig.clock.pass(5_000);
    expect(heard.length).toBe(told);
    expect(rig.alive).toEqual([]);
    expect(rig.clock.pending).toBe(0);
  });
});
