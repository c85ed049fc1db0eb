/** Two gateways and two agents on one memory store: whoever is asked, one of them places, and the other takes over. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../../core/random.ts";
import { MemoryPlacementStore } from "../../../../core/store/placement/memory.ts";
import { VirtualTime } from "../../../simulation/cluster/virtual-time.ts";
import type { ControlGateway } from "../../../support/control-cluster.ts";
import { ControlCluster } from "../../../support/control-cluster.ts";

const NONE = { files: new Map<string, Uint8Array>() };
const NEVER = new AbortController().signal;

async function cluster() {
  const time = new VirtualTime();
  const random = seededRandom(9n);
  const store = new MemoryPlacementStore({ clock: time, random });
  const rig = new ControlCluster({ clock: time, random, nodes: 2 });
  const started = rig.start();
  await time.pass(0);
  await started;
  const [a, b] = [rig.gateway(store), rig.gateway(store)];
  await time.until(() => [a, b].some(({ plane }) => plane.duty.fence() !== undefined), 5_000);
  const [holder, other] = a.plane.duty.fence() === undefined ? [b, a] : [a, b];
  /** What takes time happens while the clock moves. */
  const within = async <T>(task: Promise<T>, limitMs: number): Promise<T> => {
    const state = { done: false };
    task
      .catch(() => {})
      .finally(() => {
        state.done = true;
      });
    expect(await time.until(() => state.done, limitMs), `within ${limitMs} ms`).toBe(true);
    return await task;
  };
  return { time, store, rig, holder, other, within };
}

const load = ({ plane }: ControlGateway) => plane.control.load("tiny", NONE, NEVER);
const ready = ({ watch }: ControlGateway) => watch.fleet.replicas().filter((replica) => replica.ready);
const stages = ({ watch }: ControlGateway) => watch.fleet.shards().map(({ node, stage }) => `${stage}@${node}`);

describe("two gateways", () => {
  test("a load asked at the one that does not place is placed by the other, and answered when the cluster has done it", async () => {
    const { holder, other, within } = await cluster();
    expect(other.plane.duty.fence()).toBeUndefined();
    await within(load(other), 3_000);
    expect([ready(holder).length, ready(other).length]).toEqual([1, 1]);
    expect(await other.plane.control.index()).toEqual([{ name: "tiny", version: "1", state: "READY" }]);
  });

  test("when the one that places dies the other does within the lease's term and a second, and what serves stays as it is", async () => {
    const { time, holder, other, within } = await cluster();
    await within(load(holder), 3_000);
    const before = stages(other);
    holder.kill();
    expect(await time.until(() => other.plane.duty.fence() !== undefined, 4_000)).toBe(true);
    await time.pass(10_000);
    expect(stages(other)).toEqual(before);
    expect(ready(other)).toMatchObject([{ epoch: 1 }]);
    await within(other.plane.control.unload("tiny", { dependents: false }), 1_000);
    expect(await time.until(() => stages(other).length === 0, 3_000)).toBe(true);
  });

  test("a load that was begun when the one that places died is finished by the other", async () => {
    const { holder, other, within } = await cluster();
    const loading = load(other);
    holder.kill();
    await within(loading, 8_000);
    expect(ready(other).length).toBe(1);
  });

  test("while the store is away what serves goes on and is looked after, and nothing new is loaded", async () => {
    const { time, store, holder, other, within } = await cluster();
    await within(load(holder), 3_000);
    store.setAway(true);
    await time.pass(20_000);
    expect(ready(other).length).toBe(1);
    await expect(within(other.plane.control.unload("tiny", { dependents: false }), 1_000)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    store.setAway(false);
    await time.pass(5_000);
    expect(ready(other)).toMatchObject([{ epoch: 1 }]);
  });

  test("an emptied store is filled again within three seconds, and nothing that serves is touched", async () => {
    const { time, store, holder, other, within } = await cluster();
    await within(load(holder), 3_000);
    const before = stages(other);
    store.wipe();
    await time.pass(3_000);
    expect((await within(store.wantedModels.read(undefined), 100))?.entries.get("tiny")?.wanted.current).toBeDefined();
    expect([holder, other].filter(({ plane }) => plane.duty.fence() !== undefined)).toHaveLength(1);
    await time.pass(10_000);
    expect(stages(other)).toEqual(before);
    expect(ready(other)).toMatchObject([{ epoch: 1 }]);
  });

  test("an emptied store that no gateway remembers takes nothing down", async () => {
    const { time, store, rig, holder, other, within } = await cluster();
    await within(load(holder), 3_000);
    const before = stages(other);
    holder.kill();
    other.kill();
    store.wipe();
    const young = rig.gateway(store);
    await time.pass(10_000);
    expect(young.plane.duty.fence()).toBeDefined();
    expect(stages(young)).toEqual(before);
    expect(ready(young)).toMatchObject([{ epoch: 1 }]);
  });

  test("a node that is drained at either is left by the whole cluster, whoever places and whichever gateway starts anew", async () => {
    const { time, store, rig, holder, other, within } = await cluster();
    await within(load(holder), 3_000);
    const leaving = ({ watch }: ControlGateway) => watch.fleet.nodes().flatMap((view) => (view.leaving ? [view.node] : []));
    const serves = (gateway: ControlGateway, node: string) => stages(gateway).every((place) => place.endsWith(`@${node}`));
    const [from, to] = stages(other)[0] === "0@node-1" ? ["node-1", "node-2"] : ["node-2", "node-1"];
    await within(other.plane.leave(from, true), 1_000);
    expect(leaving(other)).toEqual([from]);
    expect(await time.until(() => serves(holder, to) && ready(holder).length === 1, 10_000)).toBe(true);
    holder.kill();
    other.kill();
    const young = rig.gateway(store);
    await time.pass(5_000);
    expect(leaving(young)).toEqual([from]);
    await within(young.plane.leave(to, true), 1_000);
    await within(young.plane.leave(from, false), 1_000);
    expect(await time.until(() => serves(young, from) && ready(young).length === 1, 10_000)).toBe(true);
  });
});
