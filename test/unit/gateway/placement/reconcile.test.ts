import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { modelName, type ReplicaId, replicaId } from "../../../../core/ids.ts";
import type { Control } from "../../../../core/messages/control.ts";
import type { Heartbeat, ReplicaReport, ShardReport } from "../../../../core/messages/heartbeat.ts";
import { seededRandom } from "../../../../core/random.ts";
import { Fleet } from "../../../../gateway/control/fleet.ts";
import type { DesiredReplica } from "../../../../gateway/placement/desired.ts";
import { COMMAND_REPEAT_MS, type ReplicaPlan, reconcile } from "../../../../gateway/placement/reconcile.ts";

const MODEL = modelName("m");
const REPLICA = replicaId(MODEL, "1", 0);

function desire(stages: number, nodesMin = 1): DesiredReplica {
  return {
    replica: REPLICA,
    model: MODEL,
    version: "1",
    stages,
    quantization: "auto",
    slots: 4,
    contextLength: undefined,
    threads: 1,
    nodesMin,
    bytes: 0,
  };
}

/** Another copy of a load, or of another load. */
const copy = (number: number, copyNumber: number): DesiredReplica => ({ ...desire(1), replica: replicaId(MODEL, "1", number, copyNumber) });

/** Nodes that do what they are told, as far as the commands reach them. */
class World {
  readonly fleet = new Fleet();
  readonly #names: readonly string[];
  readonly #shards = new Map<string, ShardReport & { node: string }>();
  readonly #leads = new Map<string, ReplicaReport & { node: string }>();
  #sequence = 0;
  #runners = 0;

  constructor(nodes: number) {
    this.#names = Array.from({ length: nodes }, (_, index) => `node-${index}`);
  }

  obey(node: string, control: Control): void {
    if (control.kind === "load") {
      const { replica, model, version, stage, stages } = control;
      const state = this.#opened(stage);
      this.#shards.set(`${node}#${stage}`, {
        node,
        replica,
        model,
        version,
        stage,
        stages,
        firstLayer: 0,
        endLayer: 1,
        quantization: "native",
        state,
      });
    } else if (control.kind === "connect") this.#connect(node, control);
    else for (const [key, shard] of this.#shards) if (shard.node === node && shard.replica === control.replica) this.#shards.delete(key);
  }

  #connect(node: string, control: Control & { kind: "connect" }): void {
    for (const [key, shard] of this.#shards) {
      const { state } = shard;
      if (shard.node !== node || state.kind !== "open" || control.stages[shard.stage]?.runner !== state.runner) continue;
      this.#shards.set(key, { ...shard, state: { ...state, epoch: control.epoch } });
      if (shard.stage !== 0) continue;
      const report = {
        replica: shard.replica,
        model: "m",
        version: "1",
        ready: true,
        slots: 4,
        busySlots: 0,
        queued: 0,
        contextLength: 8,
        textDigest: "",
      };
      this.#leads.set(shard.replica, { ...report, node, epoch: control.epoch });
    }
  }

  #opened(stage: number): ShardReport["state"] {
    this.#runners += 1;
    return { kind: "open", runner: `runner-${this.#runners}`, address: `unix:/${stage}-${this.#runners}`, epoch: 0, residentBytes: 1 };
  }

  /** The runner of a stage dies and comes back as another one. */
  restart(stage: number): void {
    for (const [key, shard] of this.#shards) if (shard.stage === stage) this.#shards.set(key, { ...shard, state: this.#opened(stage) });
    this.cut();
  }

  /** The stages lose their connections, and no runner dies. */
  cut(): void {
    for (const [key, lead] of this.#leads) this.#leads.set(key, { ...lead, epoch: 0, ready: false });
  }

  beat(nowMs: number): void {
    for (const node of this.#names) {
      this.#sequence += 1;
      const of = <T extends { node: string }>(all: Iterable<T>) =>
        [...all].filter((one) => one.node === node).map(({ node: _, ...report }) => report);
      const heartbeat: Heartbeat = {
        node,
        incarnation: "1",
        sequence: this.#sequence,
        link: `link:${node}`,
        wire: `wire:${node}`,
        cpu: "c",
        memoryTotalBytes: 100,
        memoryFreeBytes: 50,
        shards: of(this.#shards.values()),
        replicas: of(this.#leads.values()),
        models: [],
      };
      this.fleet.hear(heartbeat, nowMs);
    }
  }

  /** The epoch that every stage and the lead are in; undefined when they are not together. */
  epoch(stages: number): number | undefined {
    const epochs = new Set([...this.#shards.values()].map((shard) => (shard.state.kind === "open" ? shard.state.epoch : -1)));
    for (const lead of this.#leads.values()) epochs.add(lead.epoch);
    const [epoch] = epochs;
    return this.#shards.size === stages && this.#leads.size === 1 && epochs.size === 1 && epoch !== undefined && epoch > 0
      ? epoch
      : undefined;
  }
}

function settle(
  world: World,
  desired: readonly DesiredReplica[],
  options: { plans?: ReadonlyMap<ReplicaId, ReplicaPlan>; fromMs: number; lost?: () => boolean; rounds: number; everyMs?: number },
) {
  let plans = options.plans ?? new Map<ReplicaId, ReplicaPlan>();
  let nowMs = options.fromMs;
  let sent = 0;
  for (let round = 0; round < options.rounds; round++) {
    world.beat(nowMs);
    const outcome = reconcile(desired, world.fleet, plans, nowMs);
    plans = outcome.plans;
    sent += outcome.commands.length;
    for (const { node, control } of outcome.commands) if (options.lost?.() !== true) world.obey(node, control);
    nowMs += options.everyMs ?? COMMAND_REPEAT_MS;
  }
  return { plans, nowMs, sent };
}

describe("reconcile", () => {
  test("two stages go to two nodes and are connected once", () => {
    const world = new World(2);
    const { plans, nowMs, sent } = settle(world, [desire(2)], { fromMs: 0, rounds: 3 });
    expect(world.epoch(2)).toBe(1);
    expect(new Set(world.fleet.shards().map((shard) => shard.node)).size).toBe(2);
    expect(sent).toBe(4); // two loads, two connects
    world.beat(nowMs);
    expect(reconcile([desire(2)], world.fleet, plans, nowMs).commands).toEqual([]);
  });

  test("nothing is loaded before the nodes that were promised are here", () => {
    const world = new World(1);
    expect(settle(world, [desire(2, 2)], { fromMs: 0, rounds: 3 }).sent).toBe(0);
  });

  test("a runner that came back is connected in a higher epoch, and the other stages stay where they are", () => {
    const world = new World(3);
    const first = settle(world, [desire(3)], { fromMs: 0, rounds: 3 });
    const before = world.fleet.shards().map((shard) => `${shard.stage}@${shard.node}`);
    world.restart(1);
    settle(world, [desire(3)], { plans: first.plans, fromMs: first.nowMs, rounds: 2 });
    world.beat(first.nowMs * 2);
    expect(world.epoch(3)).toBe(2);
    expect(world.fleet.shards().map((shard) => `${shard.stage}@${shard.node}`)).toEqual(before);
  });

  test("stages that lose their connections are connected again at once, however often", () => {
    const world = new World(2);
    let { plans, nowMs } = settle(world, [desire(2)], { fromMs: 0, rounds: 3 });
    for (const epoch of [2, 3, 4]) {
      world.cut();
      ({ plans, nowMs } = settle(world, [desire(2)], { plans, fromMs: nowMs, rounds: 2, everyMs: 1 }));
      expect(world.epoch(2)).toBe(epoch);
    }
  });

  test("a placement that has forgotten everything leaves stages alone that are joined: what runs there goes on", () => {
    const world = new World(2);
    const first = settle(world, [desire(2)], { fromMs: 0, rounds: 3 });
    expect(settle(world, [desire(2)], { fromMs: first.nowMs, rounds: 3 }).sent).toBe(0);
    expect(world.epoch(2)).toBe(1);
  });

  test("a placement that has forgotten everything goes on from the epoch that the stages report", () => {
    const world = new World(2);
    const first = settle(world, [desire(2)], { fromMs: 0, rounds: 3 });
    world.restart(0);
    settle(world, [desire(2)], { fromMs: first.nowMs, rounds: 3 });
    expect(world.epoch(2)).toBeGreaterThan(1);
  });

  test("a replica that nobody wants is unloaded", () => {
    const world = new World(2);
    const first = settle(world, [desire(2)], { fromMs: 0, rounds: 3 });
    settle(world, [], { plans: first.plans, fromMs: first.nowMs, rounds: 1 });
    world.beat(first.nowMs * 2);
    expect(world.fleet.shards()).toEqual([]);
  });

  test("a copy too many hands what it generates over to another of the same load, and to no other", () => {
    const world = new World(3);
    const [kept, surplus, reload] = [desire(1), copy(0, 1), copy(1, 0)];
    const all = settle(world, [kept, surplus, reload], { fromMs: 0, rounds: 3 });
    world.beat(all.nowMs);
    const unloads = (desired: readonly DesiredReplica[]) =>
      reconcile(desired, world.fleet, all.plans, all.nowMs).commands.map(({ control }) => control);
    expect(unloads([kept, reload])).toEqual([{ kind: "unload", replica: surplus.replica, handsOver: true }]);
    expect(unloads([kept, surplus])).toEqual([{ kind: "unload", replica: reload.replica }]);
  });

  test("whatever commands are lost on the way, the stages come together in the end", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.bigInt({ min: 0n, max: 2n ** 32n }),
        (stages, nodes, seed) => {
          const random = seededRandom(seed);
          const world = new World(nodes);
          const lossy = settle(world, [desire(stages)], { fromMs: 0, rounds: 12, lost: () => random.next() < 0.5 });
          world.restart(Math.floor(random.next() * stages));
          settle(world, [desire(stages)], { plans: lossy.plans, fromMs: lossy.nowMs, rounds: 6 });
          expect(world.epoch(stages)).toBeDefined();
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });
});
