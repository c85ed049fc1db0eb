import { describe, expect, test } from "vitest";
import { nodeId } from "../../../../core/ids.ts";
import type { ConnectReplica } from "../../../../core/messages/control.ts";
import { textBundleDigest } from "../../../../core/model/text-bundle-codec.ts";
import { createMetrics, type Metrics } from "../../../../core/telemetry/metrics.ts";
import { Models } from "../../../../node-agent/models/models.ts";
import { EventLog, generationOf, type HostingOptions, HostingRig, loadShard, REPLICA } from "../hosting-rig.ts";

function host(options: HostingOptions = {}) {
  const rig = new HostingRig(options);
  const wire = rig.hub.openWire();
  const metrics = createMetrics();
  let changes = 0;
  const models = new Models({
    node: nodeId("node-1"),
    wire,
    runners: rig.hub,
    cutter: rig.cutter,
    clock: rig.clock,
    logger: rig.log.logger,
    metrics,
    memory: rig.memory,
  });
  models.onChange(() => {
    changes += 1;
  });
  const connect = (epoch: number, runners: readonly number[]): ConnectReplica => rig.connect(epoch, wire.address, runners);
  return { rig, wire, metrics, models, connect, changes: () => changes };
}

/** All stages of one replica here, led and ready. */
async function ready(stages: number, options: HostingOptions = {}) {
  const hosted = host(options);
  const { models, rig, connect } = hosted;
  for (let stage = 0; stage < stages; stage++) models.load(loadShard({ stage, stages }));
  await rig.clock.pass(0);
  models.connect(
    connect(
      1,
      Array.from({ length: stages }, (_, stage) => stage),
    ),
  );
  await rig.clock.pass(200);
  return hosted;
}

async function dispose(models: Models, rig: HostingRig): Promise<void> {
  const disposing = models[Symbol.asyncDispose]();
  await rig.clock.pass(0);
  await disposing;
}

async function metric(metrics: Metrics, name: string): Promise<readonly string[]> {
  const text = await metrics.metricsText();
  return text.split("\n").filter((line) => line.startsWith(name));
}

describe("the models of a node", () => {
  test("are loaded once however often they are told to", async () => {
    const { models, rig } = host();
    for (let time = 0; time < 3; time++) models.load(loadShard());
    await rig.clock.pass(0);
    models.load(loadShard());
    expect(rig.hub.runners.length).toBe(1);
    expect(models.report().shards.map(({ state }) => state.kind)).toEqual(["open"]);
  });

  test("are led from here when their first stage is here, and only then", async () => {
    const { models, rig, connect } = host();
    models.load(loadShard({ stage: 1, stages: 2 }));
    await rig.clock.pass(0);
    models.connect(connect(1, [5, 0]));
    await rig.clock.pass(200);
    expect(models.lead(REPLICA)).toBeUndefined();
    expect(models.report().replicas).toEqual([]);
  });

  test("serve over all their stages", async () => {
    const { models, rig } = await ready(3);
    expect(models.report().replicas).toMatchObject([{ replica: REPLICA, epoch: 1, ready: true }]);
    const reader = new EventLog();
    models.lead(REPLICA)?.engine.submit(generationOf(), reader);
    await rig.clock.pass(2_000);
    expect(reader.events.at(-1)).toBe("finished 0 length");
  });

  test("keep their lead over the deaths of runners, and its next epoch serves", async () => {
    const { models, rig, connect } = await ready(2);
    const lead = models.lead(REPLICA);
    rig.alive[0]?.kill();
    await rig.clock.pass(100);
    expect(lead?.ready).toBe(false);
    models.connect(connect(2, [2, 1]));
    await rig.clock.pass(200);
    expect(models.lead(REPLICA)).toBe(lead);
    expect(lead?.report()).toMatchObject({ epoch: 2, ready: true });
  });

  test("do not lead a replica before its first stage is open", async () => {
    const { models, rig, connect } = host({ openMs: 100 });
    models.load(loadShard());
    await rig.clock.pass(50);
    models.connect(connect(1, [0]));
    expect(models.lead(REPLICA)).toBeUndefined();
  });

  test("give the text of a model that is led here, by its digest", async () => {
    const text = new TextEncoder().encode("the tokenizer");
    const { models } = await ready(1, { text });
    expect(models.textBundle(textBundleDigest(text))).toEqual(text);
    expect(models.textBundle(textBundleDigest(new Uint8Array(1)))).toBeUndefined();
  });

  test("fail with what to change when they cannot be led with these settings", async () => {
    const { models, rig, connect } = host({ decodeRowsMin: 8 });
    models.load(loadShard({ slots: 4 }));
    await rig.clock.pass(0);
    models.connect(connect(1, [0]));
    await rig.clock.pass(60_000);
    expect(models.report().shards[0]?.state).toMatchObject({ kind: "failed", reason: expect.stringContaining("raise 'slots'") });
    expect(rig.alive).toEqual([]);
  });

  test("get new runners when a step hangs", async () => {
    const { models, rig } = await ready(2);
    const reader = new EventLog();
    rig.alive[1]?.stall(3_600_000);
    models.lead(REPLICA)?.engine.submit(generationOf(), reader);
    await rig.clock.pass(70_000);
    expect(reader.error?.code).toBe("UNAVAILABLE");
    expect(rig.hub.runners.length).toBe(4);
    expect(models.report().shards.map(({ state }) => state.kind)).toEqual(["open", "open"]);
  });

  test("tell every change", async () => {
    const { models, rig, changes } = host({ openMs: 10 });
    const seen: number[] = [];
    models.load(loadShard());
    seen.push(changes());
    await rig.clock.pass(10);
    seen.push(changes());
    rig.runner.kill();
    await rig.clock.pass(0);
    seen.push(changes());
    models.unload(REPLICA);
    seen.push(changes());
    expect(new Set(seen).size).toBe(4);
    expect(seen[0]).toBeGreaterThan(0);
  });
});

describe("unloading", () => {
  /** A generation of a minute. */
  async function generatingLong() {
    const { models, rig, connect } = host({ stepMs: 30, contextLengthMax: 4_096 });
    models.load(loadShard({ contextLength: 4_096 }));
    await rig.clock.pass(0);
    models.connect(connect(1, [0]));
    await rig.clock.pass(200);
    const reader = new EventLog();
    models.lead(REPLICA)?.engine.submit(generationOf({ tokensMax: 2_000 }), reader);
    return { models, rig, reader };
  }

  test("lets what runs end, takes nothing new meanwhile, then ends all stages and their lead", async () => {
    const { models, rig } = await ready(2);
    const reader = new EventLog();
    models.lead(REPLICA)?.engine.submit(generationOf(), reader);
    models.unload(REPLICA);
    models.unload(REPLICA); // placement says it again and again
    expect(models.lead(REPLICA)).toBeUndefined();
    expect(models.report()).toMatchObject({ shards: [{ stage: 0 }, { stage: 1 }], replicas: [] });
    await rig.clock.pass(10_000);
    expect(reader.error).toBeUndefined();
    expect(models.report()).toEqual({ shards: [], replicas: [] });
    expect(rig.alive).toEqual([]);
  });

  test("waits for no longer than half a minute, and what runs then fails with the reason", async () => {
    const { models, rig, reader } = await generatingLong();
    models.unload(REPLICA);
    await rig.clock.pass(31_000);
    expect(reader.error?.message).toBe("model tiny is being unloaded");
    expect(rig.alive).toEqual([]);
  });

  test("of a replica that is ready elsewhere waits for a second: what is generated then goes on there", async () => {
    const { models, rig, reader } = await generatingLong();
    models.unload(REPLICA, { handsOver: true });
    await rig.clock.pass(900);
    expect(reader.error).toBeUndefined();
    await rig.clock.pass(200);
    expect(reader.error?.code).toBe("UNAVAILABLE"); // the gateway has what came, and submits it to the other replica
    expect(rig.alive).toEqual([]);
  });

  test("of one stage leaves the others, and the lead where its stage stays", async () => {
    const { models, rig } = await ready(2);
    models.unload(REPLICA, { stage: 1 });
    await rig.clock.pass(1);
    expect(models.report().shards.map(({ stage }) => stage)).toEqual([0]);
    expect(models.lead(REPLICA)?.ready).toBe(false);
    models.unload(REPLICA, { stage: 0 });
    expect(models.lead(REPLICA)).toBeUndefined();
  });

  test("of what is not here changes nothing", async () => {
    const { models } = await ready(1);
    models.unload("other/1/0");
    expect(models.lead(REPLICA)?.ready).toBe(true);
  });

  test("may be followed by a load at once: another runner takes the shard", async () => {
    const { models, rig } = await ready(1);
    models.unload(REPLICA);
    models.load(loadShard());
    await rig.clock.pass(1);
    expect(rig.alive.length).toBe(1);
    expect(models.report().shards[0]?.state.kind).toBe("open");
  });

  test("of everything leaves no runner and no timer behind", async () => {
    const { models, rig } = await ready(3);
    await dispose(models, rig);
    expect(rig.alive).toEqual([]);
    expect(rig.clock.pending).toBe(0);
  });
});

test("retired models fail what runs before their runners go", async () => {
  const { models, rig } = await ready(1);
  const reader = new EventLog();
  models.lead(REPLICA)?.engine.submit(generationOf(), reader);
  models.retire();
  expect(reader.error?.code).toBe("UNAVAILABLE");
  expect(rig.alive.length).toBe(1);
});

test("a lead's numbers are brought to each scrape, and are zero when it is unloaded", async () => {
  const { models, rig, metrics } = await ready(1);
  models.lead(REPLICA)?.engine.submit(generationOf({ tokensMax: 50 }), new EventLog());
  await rig.clock.pass(50);
  const labels = '{node="node-1",model="tiny"}';
  expect(await metric(metrics, "nereid_slots_busy{")).toEqual([`nereid_slots_busy${labels} 1`]);
  expect(await metric(metrics, "nereid_slots{")).toEqual([`nereid_slots${labels} 4`]);
  const steps = await metric(metrics, "nereid_steps_total{");
  await rig.clock.pass(100);
  expect(await metric(metrics, "nereid_steps_total{")).not.toEqual(steps);
  rig.runner.kill();
  await rig.clock.pass(0);
  expect(await metric(metrics, "nereid_runner_restarts_total{")).toEqual(['nereid_runner_restarts_total{model="tiny"} 1']);
  models.unload(REPLICA);
  expect(await metric(metrics, "nereid_slots{")).toEqual([`nereid_slots${labels} 0`]);
  expect(await metric(metrics, "nereid_slots_busy{")).toEqual([`nereid_slots_busy${labels} 0`]);
  metrics[Symbol.dispose]();
});
