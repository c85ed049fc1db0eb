import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import type { LoadShard } from "../../../../core/messages/control.ts";
import type { RunnerFactory, RunnerHandle } from "../../../../core/wire/runner-handle.ts";
import { ShardHost } from "../../../../node-agent/models/shard-host.ts";
import { restartDelayMs } from "../../../../node-agent/models/shard-state.ts";
import { turns } from "../../../support/fake-clock.ts";
import { type HostingOptions, HostingRig, loadShard } from "../hosting-rig.ts";

interface HostOptions extends HostingOptions {
  readonly load?: Partial<LoadShard>;
  readonly runners?: (rig: HostingRig) => RunnerFactory;
  readonly prepare?: (rig: HostingRig) => void;
}

function host(options: HostOptions = {}) {
  const rig = new HostingRig(options);
  options.prepare?.(rig);
  const states: string[] = [];
  let restarts = 0;
  const shard = new ShardHost(loadShard(options.load), {
    runners: options.runners?.(rig) ?? rig.hub,
    cutter: rig.cutter,
    clock: rig.clock,
    logger: rig.log.logger,
    memoryFreeBytes: () => rig.freeBytes,
    onChange: () => states.push(shard.state.kind),
    onRestart: () => {
      restarts += 1;
    },
  });
  return { rig, shard, states, restarts: () => restarts };
}

async function opened(options: HostOptions = {}) {
  const hosted = host(options);
  await hosted.rig.clock.pass(options.openMs ?? 0);
  await turns();
  return hosted;
}

const epochOf = (shard: ShardHost) => (shard.state.kind === "open" ? shard.state.epoch : undefined);

describe("a shard on its way", () => {
  test("is cut, opened and then open, and each step is told", async () => {
    const { shard, states, rig } = await opened({ openMs: 50 });
    expect(states).toEqual(["opening", "open"]);
    expect(shard.report()).toMatchObject({
      replica: "tiny/1/0",
      stage: 0,
      stages: 1,
      firstLayer: 0,
      endLayer: 12,
      quantization: "native",
      state: { kind: "open", runner: rig.runner.incarnation, epoch: 0 },
    });
    expect(shard.opened?.decodeRowsMin).toBe(1);
  });

  test("tells how far its cutting is", async () => {
    const held = Promise.withResolvers<void>();
    const { shard, rig } = host({ held: held.promise });
    await turns();
    rig.cutter.progress[0]?.(0.4);
    expect(shard.report().state).toEqual({ kind: "cutting", progress: 0.4 });
    expect(shard.report().quantization).toBe("auto");
    held.resolve();
    await turns();
    expect(rig.cutter.requests).toEqual([{ model: "tiny", version: "1", stage: 0, stages: 1, quantization: "auto" }]);
  });

  test("has the positions that were asked for, at most the model's own; all of them where nobody asked", async () => {
    const lengths = [0, 100, 4_000].map(async (contextLength) => {
      const { shard, rig } = await opened({ contextLengthMax: 400, load: { contextLength } });
      return [shard.contextLength, rig.runner.shard?.contextLength];
    });
    expect(await Promise.all(lengths)).toEqual([
      [400, 400],
      [100, 100],
      [400, 400],
    ]);
  });

  test("fails with the reason when it cannot be cut, and no runner is started", async () => {
    const { shard, rig } = await opened({
      prepare: ({ cutter }) => cutter.failures.push(new ServingError("NOT_FOUND", "there is no model tiny")),
    });
    expect(shard.state).toEqual({ kind: "failed", reason: "there is no model tiny" });
    expect(rig.hub.runners).toEqual([]);
  });

  test("fails with both numbers when it does not fit this node's memory, and no runner is started", async () => {
    const { shard, rig } = await opened({
      prepare: (one) => {
        one.freeBytes = 2 ** 20;
      },
    });
    expect(shard.state).toMatchObject({ kind: "failed", reason: expect.stringContaining("1 MiB are free") });
    expect(rig.hub.runners).toEqual([]);
  });

  test("fails at once when its runner says that the shard itself is at fault", async () => {
    const { shard, rig } = host({ openMs: 10 });
    await turns();
    rig.runner.failOpen(new ServingError("DATA_LOSS", "weights.bin is too short"));
    await rig.clock.pass(20_000);
    expect(shard.state).toEqual({ kind: "failed", reason: "weights.bin is too short" });
    expect(rig.hub.runners.length).toBe(1);
    expect(rig.alive).toEqual([]);
  });
});

describe("a runner that dies", () => {
  test("is started again after a pause that doubles with every death", async () => {
    const { rig, shard, states, restarts } = await opened();
    for (const [deaths, pauseMs] of [10, 20, 40].entries()) {
      rig.runner.kill();
      await rig.clock.pass(pauseMs - 1);
      expect(shard.state).toMatchObject({ kind: "restarting", reason: "it was ended by SIGKILL" });
      expect(rig.hub.runners.length).toBe(deaths + 1);
      await rig.clock.pass(1);
      expect(shard.state.kind).toBe("open");
    }
    expect(restarts()).toBe(3);
    expect(states.slice(-3)).toEqual(["restarting", "opening", "open"]);
    expect(rig.cutter.requests.length).toBe(1);
  });

  test("after half a minute of life has no deaths in a row", async () => {
    const { rig } = await opened();
    for (const livedMs of [0, 0, 30_001]) {
      await rig.clock.pass(livedMs);
      rig.runner.kill();
      await rig.clock.pass(livedMs > 30_000 ? 10 : 1_000);
    }
    expect(rig.alive.length).toBe(1);
  });

  test("is started again however often that happens, as long as some are open in between", async () => {
    const { rig, shard } = host({ openMs: 10 });
    for (let death = 0; death < 12; death++) {
      await turns();
      if (death % 4 !== 3) rig.runner.failOpen(new ServingError("UNAVAILABLE", "the kernel killed it"));
      await rig.clock.pass(10);
      if (death % 4 === 3) rig.runner.kill();
      await rig.clock.pass(0);
      expect(shard.state.kind).toBe("restarting");
      await rig.clock.pass(restartDelayMs(death + 1));
    }
  });

  test("is given up after five in a row that died before they were open", async () => {
    const { rig, shard } = host({ openMs: 100 });
    for (let death = 0; death < 5; death++) {
      await turns();
      rig.runner.failOpen(new ServingError("UNAVAILABLE", "the kernel killed it"));
      await rig.clock.pass(100);
      if (death < 4) await rig.clock.pass(restartDelayMs(death + 1));
    }
    expect(shard.state).toMatchObject({ kind: "failed", reason: expect.stringMatching(/5 runners in a row.*the kernel killed it/) });
    await rig.clock.pass(60_000);
    expect(rig.hub.runners.length).toBe(5);
  });

  test("comes back without what it was connected to", async () => {
    const { rig, shard } = await opened();
    await shardConnected(rig, shard, 3);
    rig.runner.kill();
    await rig.clock.pass(100);
    expect(epochOf(shard)).toBe(0);
    expect(shard.opened).toBeDefined();
  });

  test("is not known as open while it is away", async () => {
    const { rig, shard } = await opened();
    rig.runner.kill();
    await turns();
    await rig.clock.pass(9);
    expect(shard.opened).toBeUndefined();
  });
});

/** Connects a shard of one stage to a lead. */
async function shardConnected(rig: HostingRig, shard: ShardHost, epoch: number): Promise<void> {
  const lead = rig.hub.openWire();
  const connecting = shard.connect(rig.connect(epoch, lead.address, [rig.hub.runners.length - 1]));
  await rig.clock.pass(0);
  await connecting;
}

describe("connecting", () => {
  test("joins the last stage to the lead, and the epoch is reported", async () => {
    const { rig, shard, states } = await opened();
    await shardConnected(rig, shard, 1);
    expect(epochOf(shard)).toBe(1);
    expect(states.at(-1)).toBe("open");
  });

  test("joins every other stage to the next one", async () => {
    const { rig, shard } = await opened({ load: { stages: 2 } });
    const connecting = shard.connect(rig.connect(1, "unix:lead", [0, 1]));
    await rig.clock.pass(0);
    await connecting;
    expect(rig.log.lines.at(-1)).toContain("nobody listens at unix:scripted/stage-1");
  });

  test("is for the runner that is named: a late command for its predecessor changes nothing", async () => {
    const { rig, shard } = await opened();
    rig.runner.kill();
    await rig.clock.pass(100);
    await shard.connect(rig.connect(1, "unix:lead", [0]));
    expect(epochOf(shard)).toBe(0);
    expect(rig.log.lines.filter((line) => line.includes("could not be connected"))).toEqual([]);
  });

  test("of a new runner begins with any epoch: placement may have forgotten the last one", async () => {
    const { rig, shard } = await opened();
    await shardConnected(rig, shard, 3);
    rig.runner.kill();
    await rig.clock.pass(100);
    await shardConnected(rig, shard, 1);
    expect(epochOf(shard)).toBe(1);
  });

  test("is done once in each epoch, and never in an older one", async () => {
    const { rig, shard } = await opened();
    await shardConnected(rig, shard, 2);
    for (const epoch of [2, 1]) await shard.connect(rig.connect(epoch, "unix:nowhere"));
    expect(epochOf(shard)).toBe(2);
    expect(rig.log.lines).toEqual(["info a shard is open"]);
  });

  test("that fails is tried again in the next epoch only", async () => {
    const { rig, shard } = await opened();
    const failing = shard.connect(rig.connect(1, "unix:nowhere"));
    await rig.clock.pass(0);
    await failing;
    expect(epochOf(shard)).toBe(0);
    expect(rig.log.lines.at(-1)).toContain("placement will try again");
    await shardConnected(rig, shard, 2);
    expect(epochOf(shard)).toBe(2);
  });

  test("of a runner that does not answer is given up after 8 s", async () => {
    const { rig, shard } = await opened({ runners: ({ hub }) => ({ start: () => deafRunner(hub.start()) }) });
    let isOver = false;
    const connecting = shard.connect(rig.connect(1, "unix:lead")).then(() => {
      isOver = true;
    });
    await rig.clock.pass(7_999);
    expect(isOver).toBe(false);
    await rig.clock.pass(1);
    await connecting;
    expect(rig.log.lines.at(-1)).toContain("deadline of 8000 ms");
    expect(rig.clock.pending).toBe(0);
  });
});

/** Opens, and then never answers a connection. */
function deafRunner(runner: RunnerHandle): RunnerHandle {
  return {
    incarnation: runner.incarnation,
    pid: undefined,
    exited: runner.exited,
    open: (shard, signal) => runner.open(shard, signal),
    connect: (_to, signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true })),
    close: () => runner.close(),
    kill: () => runner.kill(),
  };
}

describe("a shard that is not wanted any more", () => {
  const moments: readonly (readonly [string, HostOptions, (rig: HostingRig) => Promise<void>])[] = [
    ["while it is cut", { held: turns(48) }, async () => {}],
    ["while it opens", { openMs: 500 }, async (rig) => await rig.clock.pass(100)],
    ["while it is open", {}, async (rig) => await rig.clock.pass(100)],
    [
      "while it waits for its next runner",
      {},
      async (rig) => {
        await turns();
        rig.runner.kill();
        await rig.clock.pass(50);
      },
    ],
  ];
  test.each(moments)("leaves no runner and no timer behind when it goes %s", async (_when, options, act) => {
    const { rig, shard } = host(options);
    await act(rig);
    let isGone = false;
    const unloading = shard[Symbol.asyncDispose]().then(() => {
      isGone = true;
    });
    await turns(60);
    await rig.clock.pass(0);
    await turns(60);
    expect(isGone).toBe(true);
    await unloading;
    await rig.clock.pass(60_000);
    expect(rig.alive).toEqual([]);
    expect(rig.clock.pending).toBe(0);
  });

  test("is given up for good when it cannot be served with these settings", async () => {
    const { rig, shard, states } = await opened();
    shard.fail(new ServingError("INVALID_ARGUMENT", "raise 'slots'"));
    await rig.clock.pass(60_000);
    expect(shard.state).toEqual({ kind: "failed", reason: "raise 'slots'" });
    expect(states.at(-1)).toBe("failed");
    expect(rig.hub.runners.length).toBe(1);
    expect(rig.alive).toEqual([]);
  });

  test("is served by another runner when this one hangs", async () => {
    const { rig, shard } = await opened();
    shard.killRunner();
    await rig.clock.pass(100);
    expect(rig.hub.runners.length).toBe(2);
    expect(shard.state.kind).toBe("open");
  });
});
