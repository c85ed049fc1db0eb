import { describe, expect, test } from "vitest";
import { MemoryBroker } from "../../../../core/bus/memory.ts";
import { modelName, replicaId } from "../../../../core/ids.ts";
import type { ReplicaReport } from "../../../../core/messages/heartbeat.ts";
import { FleetWatch } from "../../../../gateway/control/fleet-watch.ts";
import { nodeTeller } from "../../../../gateway/control/node-teller.ts";
import { PlacementLoop } from "../../../../gateway/control/placement-loop.ts";
import type { DesiredModel, DesiredReplica } from "../../../../gateway/placement/desired.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";
import { HeardNode, openShard } from "./heard-nodes.ts";

const TINY = modelName("tiny");
const REPLICA = replicaId(TINY, "1", 0);

function wanted(stages: number): DesiredReplica {
  const shape = { stages, quantization: "auto", slots: 4, contextLength: undefined, threads: 1, nodesMin: stages, bytes: 0 } as const;
  return { replica: REPLICA, model: TINY, version: "1", ...shape };
}

const ADD: DesiredModel = {
  replica: replicaId(modelName("add"), "1", 0),
  model: modelName("add"),
  version: "1",
  source: "",
  config: "",
  bytes: 0,
};

const led = (epoch: number): ReplicaReport => ({
  replica: REPLICA,
  model: TINY,
  version: "1",
  epoch,
  ready: true,
  slots: 4,
  busySlots: 0,
  queued: 0,
  contextLength: 100,
  textDigest: "",
});

interface Want {
  replicas: readonly DesiredReplica[];
  models: readonly DesiredModel[];
  fence: number | undefined;
  known: boolean;
}

function place(desired: readonly DesiredReplica[], desiredModels: readonly DesiredModel[] = [], nodesMin = 1) {
  const clock = new FakeClock();
  const broker = new MemoryBroker({ clock });
  const bus = broker.connect();
  const watch = new FleetWatch(bus, clock, new LogBook().logger);
  const nodes = ["node-1", "node-2"].map((name) => new HeardNode(name, broker.connect()));
  const want: Want = { replicas: desired, models: desiredModels, fence: 1, known: true };
  const loop = new PlacementLoop({
    tell: nodeTeller(bus, { tell: () => {} }),
    clock,
    watch,
    desired: () => want,
    isKnown: () => want.known,
    fence: () => want.fence,
    nodesMin,
    rebalance: false,
  });
  const [one, two] = nodes;
  if (one === undefined || two === undefined) throw new Error("there are two nodes");
  const told = () => nodes.map((node) => node.told.map(({ kind }) => kind).join(" "));
  return { clock, broker, watch, one, two, want, loop, told };
}

describe("placement", () => {
  test("tells nodes to load as soon as enough of them are heard, a stage each", async () => {
    const { clock, one, two, told } = place([wanted(2)]);
    one.beat();
    await clock.pass(0);
    expect(told()).toEqual(["", ""]);
    two.beat();
    await clock.pass(0);
    expect([one.told, two.told]).toMatchObject([[{ kind: "load", stage: 0 }], [{ kind: "load", stage: 1 }]]);
  });

  test("connects the stages as soon as all of them are open, and is content when the lead has joined", async () => {
    const { clock, one, two, told } = place([wanted(2)]);
    one.beat({ shards: [openShard(0, 2)] });
    two.beat({ shards: [openShard(1, 2)] });
    await clock.pass(0);
    expect(one.told.at(-1)).toMatchObject({
      kind: "connect",
      epoch: 1,
      lead: "wire of node-1",
      stages: [{ runner: "runner-0" }, { runner: "runner-1" }],
    });
    expect(two.told).toEqual(one.told);
    for (let second = 0; second < 20; second++) {
      one.beat({ shards: [openShard(0, 2, 1)], replicas: [led(1)] });
      two.beat({ shards: [openShard(1, 2, 1)] });
      await clock.pass(500);
    }
    expect(told()).toEqual(["connect", "connect"]);
  });

  test("repeats what has shown no effect every three seconds, and not before", async () => {
    const { clock, one } = place([wanted(1)]);
    const toldAfter = async (beats: number) => {
      for (let beat = 0; beat < beats; beat++) {
        one.beat();
        await clock.pass(500);
      }
      return one.told.length;
    };
    expect(await toldAfter(5)).toBe(1);
    expect(await toldAfter(1)).toBe(2);
    expect(await toldAfter(5)).toBe(2);
    expect(await toldAfter(1)).toBe(3);
  });

  test("gives stages of a node that has gone silent to the others", async () => {
    const { clock, one, two } = place([{ ...wanted(1), nodesMin: 1 }]);
    one.beat({ shards: [openShard(0, 1, 1)], replicas: [led(1)] });
    await clock.pass(0);
    for (let beat = 0; beat < 10; beat++) {
      two.beat();
      await clock.pass(500);
    }
    expect(two.told).toMatchObject([{ kind: "load", stage: 0 }]);
  });

  test("unloads the copy that it does not use when that node comes back", async () => {
    const { clock, one, two } = place([{ ...wanted(1), nodesMin: 1 }]);
    two.beat({ shards: [openShard(0, 1, 2)], replicas: [led(2)] });
    one.beat({ shards: [openShard(0, 1, 1)], replicas: [led(1)] });
    await clock.pass(0);
    expect(one.told.at(-1)).toEqual({ kind: "unload", replica: REPLICA, stage: 0, handsOver: true });
    expect(two.told.filter(({ kind }) => kind === "unload")).toEqual([]);
  });

  test("follows what is wanted when it is nudged, whole models too", async () => {
    const { clock, one, want, loop, told } = place([]);
    one.beat();
    await clock.pass(0);
    expect(told()[0]).toBe("");
    want.models = [ADD];
    loop.nudge();
    await clock.pass(0);
    expect(one.told).toMatchObject([{ kind: "load-model", replica: ADD.replica }]);
    want.models = [];
    one.beat({
      models: [{ replica: ADD.replica, model: "add", version: "1", state: { kind: "ready", view: "v" }, inFlight: 0, queued: 0 }],
    });
    await clock.pass(0);
    expect(one.told.at(-1)).toEqual({ kind: "unload", replica: ADD.replica });
  });

  test("says nothing while the broker is away, and goes on from what it hears afterwards", async () => {
    const { clock, broker, one } = place([wanted(1)]);
    broker.disconnect();
    one.beat();
    await clock.pass(2_000);
    expect(one.told).toEqual([]);
    broker.reconnect();
    one.beat();
    await clock.pass(500);
    expect(one.told).toMatchObject([{ kind: "load" }]);
  });

  test("says nothing while another gateway places, and goes on with its own fence when it is its turn", async () => {
    const { clock, one, want } = place([wanted(1)]);
    want.fence = undefined;
    one.beat();
    await clock.pass(2_000);
    expect(one.told).toEqual([]);
    want.fence = 12;
    await clock.pass(500);
    expect(one.told).toMatchObject([{ kind: "load" }]);
    expect(one.fences).toEqual([12]);
  });

  test("has forgotten what it told when its turn comes again: somebody else may have told otherwise", async () => {
    const { clock, one, want } = place([wanted(1)]);
    one.beat();
    await clock.pass(0);
    want.fence = undefined;
    await clock.pass(500);
    want.fence = 3;
    await clock.pass(500);
    expect(one.fences).toEqual([1, 3]);
  });

  test("that cannot know how many nodes there are listens until each must have spoken", async () => {
    const { clock, one, two } = place([wanted(1)], [], 0);
    one.beat();
    await clock.pass(500);
    two.beat({ shards: [openShard(0, 1, 1)], replicas: [led(1)] });
    await clock.pass(2_000);
    expect(one.told).toEqual([]); // two has it already
  });

  test("leaves alone what the store has never heard of", async () => {
    const { clock, one, want } = place([]);
    want.known = false;
    const models = [
      { replica: ADD.replica, model: "add", version: "1", state: { kind: "ready", view: "v" }, inFlight: 0, queued: 0 } as const,
    ];
    one.beat({ shards: [openShard(0, 1, 1)], models: [...models] });
    await clock.pass(1_000);
    expect(one.told).toEqual([]);
    want.known = true;
    await clock.pass(500);
    expect(one.told.map(({ kind }) => kind)).toEqual(["unload", "unload"]);
  });

  test("that is over tells nobody anything, and leaves no timer behind", async () => {
    const { clock, watch, one, loop } = place([wanted(1)]);
    loop[Symbol.dispose]();
    one.beat();
    await clock.pass(10_000);
    expect(one.told).toEqual([]);
    watch[Symbol.dispose]();
    expect(clock.pending).toBe(0);
  });
});
