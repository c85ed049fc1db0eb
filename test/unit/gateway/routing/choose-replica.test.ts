/** Which replica takes a request, and why none does. */
import { expect, test } from "vitest";
import { nodeId } from "../../../../core/ids.ts";
import type { RefusalReason } from "../../../../core/messages/generation.ts";
import type { ReplicaView } from "../../../../gateway/control/fleet.ts";
import { chooseReplica, type RouteQuestion } from "../../../../gateway/routing/choose-replica.ts";

const replica = (number: number, changes: Partial<ReplicaView> = {}): ReplicaView => ({
  replica: `m/1/${number}`,
  model: "m",
  version: "1",
  epoch: 1,
  ready: true,
  slots: 4,
  busySlots: 0,
  queued: 0,
  contextLength: 100,
  textDigest: "d",
  node: nodeId(`n${number}`),
  link: "memory:1",
  cpu: "c",
  leaving: false,
  ...changes,
});
const route = (replicas: readonly ReplicaView[], changes: Partial<RouteQuestion> = {}) => {
  const question = {
    model: "m",
    version: undefined,
    replicas,
    inFlight: () => 0,
    refused: new Map<string, RefusalReason>(),
    preferredCpu: undefined,
    chance: 0,
    matches: new Map<string, number>(),
  };
  const chosen = chooseReplica({ ...question, ...changes });
  return chosen.kind === "route" ? chosen.replica.replica : chosen.reason;
};

test("the least loaded replica is chosen, by sequences per slot", () => {
  expect(route([replica(1, { busySlots: 2 }), replica(2, { busySlots: 3, slots: 8 })])).toBe("m/1/2");
  expect(route([replica(1, { queued: 1 }), replica(2)])).toBe("m/1/2");
});

test("a replica on the preferred CPU is chosen where there is one, however loaded", () => {
  const replicas = [replica(1, { cpu: "other" }), replica(2, { busySlots: 3 })];
  expect(route(replicas, { preferredCpu: "c" })).toBe("m/1/2");
  expect(route(replicas, { preferredCpu: "third" })).toBe("m/1/1");
});

test("the gateway's own count stands in for heartbeats that lag", () => {
  expect(route([replica(1), replica(2)], { inFlight: (name) => (name === "m/1/1" ? 3 : 0) })).toBe("m/1/2");
});

test("a prompt goes where its beginning may still be, unless it had to wait there, or would load one replica alone", () => {
  const matches = new Map([["m/1/2", 0.9]]);
  expect(route([replica(1), replica(2, { busySlots: 1 })], { matches })).toBe("m/1/2");
  expect(route([replica(1), replica(2, { busySlots: 2 })], { matches })).toBe("m/1/1");
  expect(route([replica(1, { busySlots: 3 }), replica(2, { busySlots: 4 })], { matches })).toBe("m/1/1");
});

test("chance decides between equals", () => {
  const equals = [replica(1), replica(2), replica(3)];
  expect([0, 0.34, 0.99].map((chance) => route(equals, { chance }))).toEqual(["m/1/1", "m/1/2", "m/1/3"]);
});

test("the newest version that is ready is chosen, unless another is asked for", () => {
  const versions = [replica(1), replica(2, { version: "10" }), replica(3, { version: "9" }), replica(4, { version: "11", ready: false })];
  expect(route(versions)).toBe("m/1/2");
  expect(route(versions, { version: "1" })).toBe("m/1/1");
});

test("a replica on a node that is to be left takes what no other one can, however idle it is", () => {
  const [left, busy] = [replica(1, { leaving: true }), replica(2, { busySlots: 4, queued: 9 })];
  expect(route([left, busy])).toBe("m/1/2");
  expect(route([left])).toBe("m/1/1");
  expect(route([left, busy], { refused: new Map([["m/1/2", "full"]]) })).toBe("m/1/1");
  const [same, other] = [replica(3, { leaving: true, cpu: "same" }), replica(4, { cpu: "other" })];
  expect(route([same, other], { preferredCpu: "same" })).toBe("m/1/3"); // its bits are those that came before
});

test("what has refused is passed over, and why is told when nothing is left", () => {
  const both = [replica(1), replica(2)];
  expect(route(both, { refused: new Map([["m/1/1", "full"]]) })).toBe("m/1/2");
  expect(route(both, { refused: new Map<string, RefusalReason>([["m/1/1", "full"], ["m/1/2", "draining"]]) })).toBe("full"); // biome-ignore format: a pair a line says less
  expect(route([replica(1, { ready: false })])).toBe("not-ready");
  expect(route([replica(1, { model: "other" })])).toBe("no-replica");
});
