/** Whole models find their nodes, once, and leave them, whatever is lost or comes late. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { modelName, type NodeId, nodeId, type ReplicaId, replicaId } from "../../../../core/ids.ts";
import type { Heartbeat, ModelReport } from "../../../../core/messages/heartbeat.ts";
import { Fleet } from "../../../../gateway/control/fleet.ts";
import type { DesiredModel } from "../../../../gateway/placement/desired.ts";
import { COMMAND_REPEAT_MS } from "../../../../gateway/placement/reconcile.ts";
import { type ModelPlan, reconcileModels } from "../../../../gateway/placement/reconcile-models.ts";

const wants = (model: string, number = 1, bytes = 0): DesiredModel => ({
  replica: replicaId(modelName(model), "1", number),
  model: modelName(model),
  version: "1",
  source: "",
  config: "",
  bytes,
});

interface Copy {
  readonly replica: string;
  state: ModelReport["state"]["kind"];
}

/** Nodes that do what they are told, when the test lets them hear it. */
class World {
  readonly fleet = new Fleet();
  readonly nodes = new Map<NodeId, { copies: Copy[]; readonly freeBytes: number }>();
  desired: readonly DesiredModel[] = [];
  nowMs = 0;
  #plans: ReadonlyMap<ReplicaId, ModelPlan> = new Map();
  #sequence = 0;

  constructor(freeBytes: readonly number[]) {
    for (const [index, bytes] of freeBytes.entries()) this.nodes.set(nodeId(`n${index + 1}`), { copies: [], freeBytes: bytes });
    this.beat();
  }

  /** All that are not silenced say what they have. */
  beat(silent: readonly string[] = []): void {
    this.#sequence += 1;
    for (const [node, { copies, freeBytes }] of this.nodes)
      if (!silent.includes(node)) this.fleet.hear(heartbeat(node, this.#sequence, freeBytes, copies), this.nowMs);
    this.fleet.expire(this.nowMs);
  }

  /** @returns the commands as `node load m/1/1`; nodes obey them unless they are lost */
  reconcile({ lost = false }: { readonly lost?: boolean } = {}): readonly string[] {
    const { commands, plans } = reconcileModels(this.desired, this.fleet, this.#plans, this.nowMs);
    this.#plans = plans;
    return commands.map(({ node, control }) => {
      const copies = this.nodes.get(node)?.copies ?? [];
      if (control.kind !== "load-model" && control.kind !== "unload") throw new Error(control.kind);
      const there = copies.find(({ replica }) => replica === control.replica);
      if (!lost && control.kind === "load-model" && there === undefined) copies.push({ replica: control.replica, state: "loading" });
      if (!lost && control.kind === "unload" && there !== undefined) there.state = "draining";
      return `${node} ${control.kind === "unload" ? "unload" : "load"} ${control.replica}`;
    });
  }

  /** What is loading becomes ready, what drains is gone. */
  settle(): void {
    for (const node of this.nodes.values()) {
      node.copies = node.copies.filter(({ state }) => state !== "draining");
      for (const copy of node.copies) if (copy.state === "loading") copy.state = "ready";
    }
  }

  where(): readonly string[] {
    return [...this.nodes].flatMap(([node, { copies }]) => copies.map(({ replica }) => `${node} ${replica}`));
  }
}

function heartbeat(node: NodeId, sequence: number, memoryFreeBytes: number, copies: readonly Copy[]): Heartbeat {
  const models = copies.map(({ replica, state }): ModelReport => {
    const [model = ""] = replica.split("/");
    const told: ModelReport["state"] =
      state === "ready" ? { kind: state, view: "v" } : state === "failed" ? { kind: state, reason: "" } : { kind: state };
    return { replica, model, version: "1", state: told, inFlight: 0, queued: 0 };
  });
  return {
    node,
    incarnation: "a",
    sequence,
    link: "l",
    wire: "w",
    cpu: "c",
    memoryTotalBytes: 9,
    memoryFreeBytes,
    shards: [],
    replicas: [],
    models,
  };
}

describe("placement of whole models", () => {
  test("spreads models over the nodes, the node with more free memory first", () => {
    const world = new World([1, 3, 2]);
    world.desired = ["a", "b", "c", "d"].map((name) => wants(name));
    expect(world.reconcile()).toEqual(["n2 load a/1/1", "n3 load b/1/1", "n1 load c/1/1", "n2 load d/1/1"]);
  });

  test("leaves a model where it is, and asks for nothing more", () => {
    const world = new World([1, 1]);
    world.desired = [wants("a")];
    world.reconcile();
    world.settle();
    world.beat();
    expect(world.reconcile()).toEqual([]);
  });

  test("waits for a heartbeat before it asks again, and then asks the same node", () => {
    const world = new World([1, 1]);
    world.desired = [wants("a")];
    expect(world.reconcile({ lost: true })).toEqual(["n1 load a/1/1"]);
    world.nowMs += COMMAND_REPEAT_MS - 1;
    world.beat();
    expect(world.reconcile({ lost: true })).toEqual([]);
    world.nowMs += 1;
    expect(world.reconcile()).toEqual(["n1 load a/1/1"]);
  });

  test("gives a model of a dead node to another one", () => {
    const world = new World([1, 1]);
    world.desired = [wants("a")];
    world.reconcile();
    world.settle();
    world.beat();
    world.nowMs += 10_000;
    world.beat(["n1"]);
    expect(world.reconcile()).toEqual(["n2 load a/1/1"]);
  });

  test("unloads the second copy when a node that was taken for dead speaks again", () => {
    const world = new World([1, 1]);
    world.desired = [wants("a")];
    world.reconcile();
    world.settle();
    world.nowMs += 10_000;
    world.beat(["n1"]);
    world.reconcile();
    world.settle();
    world.beat();
    expect(world.where()).toEqual(["n1 a/1/1", "n2 a/1/1"]);
    expect(world.reconcile()).toEqual(["n2 unload a/1/1"]);
    world.settle();
    world.beat();
    expect(world.reconcile()).toEqual([]);
    expect(world.where()).toEqual(["n1 a/1/1"]);
  });

  test("keeps of two copies the one that is ready", () => {
    const world = new World([1, 1]);
    world.desired = [wants("a")];
    for (const [index, node] of [...world.nodes.values()].entries())
      node.copies = [{ replica: "a/1/1", state: index === 0 ? "loading" : "ready" }];
    world.beat();
    expect(world.reconcile()).toEqual(["n1 unload a/1/1"]);
  });

  test("unloads what nobody wants, until its node says that it drains", () => {
    const world = new World([1]);
    world.desired = [wants("a")];
    world.reconcile();
    world.settle();
    world.beat();
    world.desired = [];
    expect(world.reconcile({ lost: true })).toEqual(["n1 unload a/1/1"]);
    expect(world.reconcile()).toEqual(["n1 unload a/1/1"]);
    world.beat();
    expect(world.reconcile()).toEqual([]);
  });

  test("has the new load of a model beside the old one as long as both are wanted", () => {
    const world = new World([1, 1]);
    world.desired = [wants("a", 1)];
    world.reconcile();
    world.settle();
    world.beat();
    world.desired = [wants("a", 1), wants("a", 2)];
    expect(world.reconcile()).toEqual(["n2 load a/1/2"]);
  });

  test("leaves a failed model alone: a new load is another replica", () => {
    const world = new World([1]);
    world.desired = [wants("a")];
    world.reconcile();
    for (const node of world.nodes.values()) for (const copy of node.copies) copy.state = "failed";
    world.nowMs += 10 * COMMAND_REPEAT_MS;
    world.beat();
    expect(world.reconcile()).toEqual([]);
  });

  test("without a node waits for one", () => {
    const world = new World([]);
    world.desired = [wants("a")];
    expect(world.reconcile()).toEqual([]);
  });

  test("comes to one copy of each model that is wanted, whatever is lost on the way", () => {
    const step = fc.record({
      wanted: fc.subarray(["a", "b", "c"]),
      silent: fc.subarray(["n1", "n2", "n3"]),
      lost: fc.boolean(),
      passMs: fc.constantFrom(0, 100, COMMAND_REPEAT_MS, 10_000),
      settle: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const world = new World([1, 2, 3]);
        for (const { wanted, silent, lost, passMs, settle } of steps) {
          world.desired = wanted.map((name) => wants(name));
          world.nowMs += passMs;
          if (settle) world.settle();
          world.beat(silent);
          world.reconcile({ lost });
        }
        for (let quiet = 0; quiet < 6; quiet++) {
          world.nowMs += COMMAND_REPEAT_MS;
          world.settle();
          world.beat();
          world.reconcile();
        }
        world.settle();
        expect(
          world
            .where()
            .map((copy) => copy.slice(3))
            .toSorted(),
        ).toEqual(world.desired.map(({ replica }) => String(replica)).toSorted());
      }),
      { seed: 11, numRuns: 300 },
    );
  });
});
