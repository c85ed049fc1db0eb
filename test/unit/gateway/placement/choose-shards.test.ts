import { expect, test } from "vitest";
import { nodeId } from "../../../../core/ids.ts";
import type { ShardState } from "../../../../core/messages/heartbeat.ts";
import type { ShardView } from "../../../../gateway/control/fleet.ts";
import { chooseShards } from "../../../../gateway/placement/choose-shards.ts";

const open = (epoch: number): ShardState => ({ kind: "open", runner: "r", address: "unix:/r", epoch, residentBytes: 1 });
const OPENING: ShardState = { kind: "opening" };

function shard(node: string, stage: number, state: ShardState): ShardView {
  const report = { replica: "m/1/0", model: "m", version: "1", stages: 2, firstLayer: 0, endLayer: 1, quantization: "native" };
  return { ...report, node: nodeId(node), stage, state };
}

const names = (shards: readonly ShardView[]) => shards.map(({ node, stage }) => `${stage}@${node}`);

test("where each stage is on one node, all are kept and nothing is surplus", () => {
  const { kept, surplus } = chooseShards([shard("a", 0, open(1)), shard("b", 1, OPENING)]);
  expect([names(kept), names(surplus)]).toEqual([["0@a", "1@b"], []]);
});

test("of two copies the one that was connected last is kept, whatever its node is called", () => {
  const { kept, surplus } = chooseShards([shard("a", 0, open(1)), shard("b", 0, open(2)), shard("b", 1, open(2))]);
  expect([names(kept), names(surplus)]).toEqual([["0@b", "1@b"], ["0@a"]]);
});

test("a copy that is open is kept before one that is on its way", () => {
  const { kept, surplus } = chooseShards([shard("a", 0, OPENING), shard("b", 0, open(0))]);
  expect([names(kept), names(surplus)]).toEqual([["0@b"], ["0@a"]]);
});

test("while no copy is open none is unloaded", () => {
  const { kept, surplus } = chooseShards([shard("a", 0, OPENING), shard("b", 0, { kind: "restarting", reason: "it died" })]);
  expect([names(kept), names(surplus)]).toEqual([["0@a"], []]);
});

test("a copy that is to take the place of one on a node that is being left may open in peace, and then takes it", () => {
  const isLeft = ({ node }: ShardView) => node === "a";
  const opening = chooseShards([shard("a", 0, open(3)), shard("b", 0, OPENING)], isLeft);
  expect([names(opening.kept), names(opening.surplus)]).toEqual([["0@a"], []]);
  const opened = chooseShards([shard("a", 0, open(3)), shard("b", 0, open(0))], isLeft);
  expect([names(opened.kept), names(opened.surplus)]).toEqual([["0@b"], ["0@a"]]);
});
