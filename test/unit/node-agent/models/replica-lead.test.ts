import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import type { Wire } from "../../../../core/wire/wire.ts";
import { GenerationEngine } from "../../../../node-agent/engines/generation-engine.ts";
import { ReplicaLead } from "../../../../node-agent/models/replica-lead.ts";
import { ShardHost } from "../../../../node-agent/models/shard-host.ts";
import { scriptedTokens } from "../../../support/scripted/scripted-stage.ts";
import { EventLog, generationOf, type HostingOptions, HostingRig, loadShard } from "../hosting-rig.ts";

interface Led {
  readonly rig: HostingRig;
  readonly wire: Wire;
  readonly hosts: readonly ShardHost[];
  readonly lead: ReplicaLead;
  /** What the lead said of itself at each change. */
  readonly told: string[];
  /** Connects stages and lead in an epoch; stages that are left out never hear of it. */
  connect(epoch: number, stages?: readonly number[]): Promise<void>;
}

/** A lead whose stages are open and not connected. */
async function led(stages: number, options: HostingOptions = {}): Promise<Led> {
  const rig = new HostingRig(options);
  const { hub, cutter, clock, log } = rig;
  const wire = hub.openWire();
  const told: string[] = [];
  const deps = { runners: hub, cutter, clock, logger: log.logger, memoryFreeBytes: () => rig.freeBytes };
  const hosts = Array.from(
    { length: stages },
    (_, stage) => new ShardHost(loadShard({ stage, stages }), { ...deps, onChange: () => {}, onRestart: () => {} }),
  );
  await clock.pass(options.openMs ?? 0);
  const [first] = hosts;
  if (first === undefined) throw new Error("a replica has stages");
  const shape = { model: "tiny", stages, slots: 4, contextLength: 200, vocabSize: 1000, decodeRowsMin: 1 };
  const engine = new GenerationEngine(shape, { clock });
  const lead: ReplicaLead = new ReplicaLead(
    first,
    { engine, textDigest: "digest" },
    {
      wire,
      clock,
      logger: log.logger,
      onChange: () => {
        const { ready, epoch } = lead.report();
        told.push(`${ready ? "ready" : "apart"} ${epoch}`);
      },
      onStuck: (why) => lead.stuck(why),
    },
  );
  const connect = async (epoch: number, heard: readonly number[] = hosts.map((_, stage) => stage)) => {
    const runners = hosts.map((host) => (host.state.kind === "open" ? Number(host.state.runner.split("-")[1]) : -1));
    const command = rig.connect(epoch, wire.address, runners);
    for (const stage of heard) hosts[stage]?.connect(command).catch(() => {});
    lead.join(command).catch(() => {});
    await clock.pass(1);
  };
  return { rig, wire, hosts, lead, told, connect };
}

async function ready(stages: number, options: HostingOptions = {}): Promise<Led> {
  const one = await led(stages, options);
  await one.connect(1);
  await one.rig.clock.pass(200);
  return one;
}

const expected = scriptedTokens([3, 1, 4, 1, 5], 6, { seed: 0n, choice: 0 });

describe("a replica's lead", () => {
  test.each([1, 2, 3])("is ready when a token has passed through all %i stages, and not before", async (stages) => {
    const { rig, lead, told, connect } = await led(stages);
    expect(lead.report()).toMatchObject({ epoch: 0, ready: false, slots: 4, contextLength: 200, textDigest: "digest" });
    await connect(3);
    expect(lead.report()).toMatchObject({ epoch: 3, ready: false, busySlots: 0 });
    await rig.clock.pass(200);
    expect(lead.report()).toMatchObject({ epoch: 3, ready: true, busySlots: 0, queued: 0 });
    expect(told).toEqual(["ready 3"]);
    const reader = new EventLog();
    lead.engine.submit(generationOf(), reader);
    await rig.clock.pass(1_000);
    expect(reader.ids).toEqual(expected);
  });

  test("shows while nothing runs that all stages work: one that hangs is not ready", async () => {
    const { rig, lead, told } = await ready(2);
    await rig.clock.pass(60_000);
    expect([lead.ready, lead.engine.counters.tokensEmitted]).toEqual([true, 2 + 2 * 11]);
    rig.stepMs = 1_000_000;
    await rig.clock.pass(10_000);
    expect(told).toEqual(["ready 1", "apart 0"]);
  });

  test("sends no canary while something runs", async () => {
    const { rig, lead } = await ready(2, { stepMs: 100 });
    const reader = new EventLog();
    lead.engine.submit(generationOf({ tokensMax: 100 }), reader);
    await rig.clock.pass(15_000);
    expect(lead.engine.counters.tokensEmitted).toBe(2 + reader.ids.length);
  });

  test("stays as it is when it hears of its own epoch or an older one again", async () => {
    const { rig, lead, told, connect } = await ready(2);
    const reader = new EventLog();
    lead.engine.submit(generationOf(), reader);
    for (const epoch of [1, 0]) await connect(epoch, []);
    await rig.clock.pass(1_000);
    expect(reader.ids).toEqual(expected);
    expect(told).toEqual(["ready 1"]);
  });

  test("goes on with what runs when its stages are connected anew", async () => {
    const { rig, lead, connect } = await ready(2);
    const reader = new EventLog();
    lead.engine.submit(generationOf(), reader);
    await connect(2);
    await rig.clock.pass(1_000);
    expect(lead.report()).toMatchObject({ epoch: 2, ready: true });
    expect(reader.ids).toEqual(expected);
  });

  test("is not ready when a stage dies, and goes on with what ran when it is joined again", async () => {
    const { rig, lead, told, connect } = await ready(2);
    const reader = new EventLog();
    lead.engine.submit(generationOf(), reader);
    rig.alive[1]?.kill();
    await rig.clock.pass(1);
    expect(lead.report()).toMatchObject({ epoch: 0, ready: false });
    await rig.clock.pass(100);
    await connect(2);
    await rig.clock.pass(1_000);
    expect(told).toEqual(["ready 1", "apart 0", "ready 2"]);
    expect(reader.ids).toEqual(expected);
  });

  test("fails what runs with a clear error when a dead stage does not come back", async () => {
    const { rig, lead } = await ready(2);
    const reader = new EventLog();
    lead.engine.submit(generationOf(), reader);
    rig.alive[1]?.kill();
    await rig.clock.pass(20_001);
    expect(reader.error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("a shard of model tiny was lost") });
  });

  test("gives an epoch up after 10 s when a stage never comes, and is ready for the next one", async () => {
    const { rig, lead, connect } = await led(2);
    await connect(1, [0]);
    await rig.clock.pass(9_998);
    expect(lead.report()).toMatchObject({ epoch: 1, ready: false });
    await rig.clock.pass(1);
    expect(lead.report()).toMatchObject({ epoch: 0, ready: false });
    expect(rig.log.lines.at(-1)).toContain("did not come together in time");
    await connect(2);
    await rig.clock.pass(200);
    expect(lead.ready).toBe(true);
  });

  test("gives an epoch up when its canary is lost on the way", async () => {
    const { rig, lead, told, connect } = await led(1);
    rig.runner.failStep("a kernel gave up");
    await connect(1);
    await rig.clock.pass(200);
    expect(lead.report()).toMatchObject({ epoch: 0, ready: false });
    expect(told).toEqual(["apart 0"]);
  });

  test("joins the newest epoch when one overtakes another that is on its way", async () => {
    const { rig, lead, told, connect } = await led(2);
    await connect(1, [0]);
    await connect(2);
    await rig.clock.pass(12_000);
    expect(lead.report()).toMatchObject({ epoch: 2, ready: true });
    expect(told).toEqual(["ready 2"]);
  });

  test("comes apart when its engine gives the stages up", async () => {
    const { rig, lead, told } = await ready(1);
    rig.runner.stall(3_600_000);
    const reader = new EventLog();
    lead.engine.submit(generationOf(), reader);
    await rig.clock.pass(60_000);
    expect(reader.error?.code).toBe("UNAVAILABLE");
    lead.stuck(new ServingError("UNAVAILABLE", "a step hangs"));
    expect(told).toEqual(["ready 1", "apart 0"]);
  });

  test("fails what runs when it is unloaded, and leaves no timer behind", async () => {
    const { rig, lead, hosts } = await ready(2);
    const reader = new EventLog();
    lead.engine.submit(generationOf({ remainingMs: 5_000 }), reader);
    lead[Symbol.dispose]();
    expect(reader.error).toMatchObject({ code: "UNAVAILABLE", message: "model tiny is being unloaded" });
    const unloading = Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()));
    await rig.clock.pass(60_000);
    await unloading;
    expect(rig.clock.pending).toBe(0);
  });
});
