/** Models as the doors present them. */
import { expect, test } from "vitest";
import { modelName, nodeId, replicaId } from "../../../../../core/ids.ts";
import type { ReplicaView, ShardView } from "../../../../../gateway/control/fleet.ts";
import type { DesiredReplica } from "../../../../../gateway/placement/desired.ts";
import { FleetModelDirectory } from "../../../../../gateway/serving/generation/model-directory.ts";

const model = modelName("m");
const DESIRED: DesiredReplica = {
  replica: replicaId(model, "1", 0),
  model,
  version: "1",
  stages: 2,
  quantization: "native",
  slots: 4,
  contextLength: undefined,
  threads: 1,
  nodesMin: 2,
  bytes: 0,
};
const shard = (stage: number, state: ShardView["state"]): ShardView => ({
  replica: DESIRED.replica,
  model,
  version: "1",
  stage,
  stages: 2,
  firstLayer: stage * 15,
  endLayer: stage * 15 + 15,
  quantization: "int8",
  node: nodeId(`n${stage}`),
  state,
});
const open: ShardView["state"] = { kind: "open", runner: "r", address: "a", epoch: 1, residentBytes: 1 };
const lead = (ready: boolean): ReplicaView => ({
  replica: DESIRED.replica,
  model,
  version: "1",
  epoch: 1,
  cpu: "c",
  ready,
  slots: 4,
  busySlots: 0,
  queued: 0,
  contextLength: 8192,
  textDigest: "d",
  node: nodeId("n0"),
  link: "l",
  leaving: false,
});

function listed(shards: readonly ShardView[], replicas: readonly ReplicaView[] = [], desired: readonly DesiredReplica[] = [DESIRED]) {
  const fleet = { revision: 1, nodes: () => [], shards: () => shards, replicas: () => replicas };
  return new FleetModelDirectory({ fleet, desired: () => desired, wallClockMs: () => 5_999 }).list();
}

test("a model that is wanted is listed before any node has it", () => {
  expect(listed([])).toMatchObject([{ name: "m", version: "1", readiness: { kind: "loading", detail: "waiting for nodes" }, shards: [] }]);
});

test("a model whose labels no node has says so", () => {
  const [served] = listed([], [], [{ ...DESIRED, labels: { zone: "a" } }]);
  expect(served?.readiness).toEqual({ kind: "loading", detail: "no node has the labels zone=a: start an agent with --labels zone=a" });
});

test("while it loads the detail says how far each stage is", () => {
  const [served] = listed([shard(1, { kind: "opening" }), shard(0, { kind: "cutting", progress: 0.4 })]);
  expect(served?.readiness).toEqual({ kind: "loading", detail: "stage 1 of 2 on n0: cutting 40 %; stage 2 of 2 on n1: opening" });
  expect(listed([shard(0, open), shard(1, open)], [lead(false)])[0]?.readiness).toMatchObject({
    detail: expect.stringContaining("warming up"),
  });
});

test("a failed stage is the model's failure, with its reason", () => {
  const [served] = listed([shard(0, open), shard(1, { kind: "failed", reason: "no memory" })]);
  expect(served?.readiness).toEqual({ kind: "failed", reason: "no memory" });
});

test("a ready model says what it is and where its layers are", () => {
  expect(listed([shard(1, open), shard(0, open)], [lead(true)])).toEqual([
    {
      name: "m",
      version: "1",
      readiness: { kind: "ready" },
      contextLength: 8192,
      quantization: "int8",
      createdSeconds: 5,
      slots: { busy: 0, all: 4 },
      shards: [
        { node: "n0", stage: 0, stages: 2, firstLayer: 0, endLayer: 15, state: "open" },
        { node: "n1", stage: 1, stages: 2, firstLayer: 15, endLayer: 30, state: "open" },
      ],
    },
  ]);
});

test("a model that only agents know of is listed too, and its time of first sight stays", () => {
  let nowMs = 1_000;
  const fleet = { revision: 1, nodes: () => [], shards: () => [shard(0, open)], replicas: () => [] };
  const directory = new FleetModelDirectory({ fleet, desired: () => [], wallClockMs: () => nowMs });
  expect(directory.list()).toMatchObject([{ name: "m", createdSeconds: 1 }]);
  nowMs = 100_000;
  fleet.revision = 2;
  expect(directory.list()).toMatchObject([{ createdSeconds: 1 }]);
});

test("the list is made once for as long as nothing changes: every request asks for it", () => {
  let looks = 0;
  const shards = () => {
    looks += 1;
    return [shard(0, open)];
  };
  const fleet = { revision: 1, nodes: () => [], shards, replicas: () => [] };
  const desired = [DESIRED];
  const directory = new FleetModelDirectory({ fleet, desired: () => desired, wallClockMs: () => 0 });
  expect(directory.list()).toBe(directory.list());
  expect(looks).toBe(1);
  fleet.revision = 2;
  directory.list();
  expect(looks).toBe(2);
});
