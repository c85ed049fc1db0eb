import { describe, expect, test } from "vitest";
import type { Heartbeat } from "../../../../core/messages/heartbeat.ts";
import { Fleet, NODE_SILENCE_MS } from "../../../../gateway/control/fleet.ts";

const heartbeat = (sequence: number, incarnation = "a"): Heartbeat => ({
  node: "n.1",
  incarnation,
  sequence,
  link: "l",
  wire: "w",
  cpu: "c",
  memoryTotalBytes: 2,
  memoryFreeBytes: 1,
  shards: [],
  replicas: [],
  models: [],
});

describe("Fleet", () => {
  test("a heartbeat that overtook another one is not undone by it", () => {
    const fleet = new Fleet();
    expect(fleet.hear(heartbeat(2), 0)).toBe(true);
    expect(fleet.hear(heartbeat(1), 1)).toBe(false);
    expect(fleet.nodes()[0]?.heartbeat.sequence).toBe(2);
  });

  test("an agent that was started again is heard from its first heartbeat on", () => {
    const fleet = new Fleet();
    fleet.hear(heartbeat(100), 0);
    expect(fleet.hear(heartbeat(1, "b"), 1)).toBe(true);
  });

  test("a node that is silent for too long is forgotten, once", () => {
    const fleet = new Fleet();
    fleet.hear(heartbeat(1), 0);
    expect(fleet.expire(NODE_SILENCE_MS)).toEqual([]);
    expect(fleet.expire(NODE_SILENCE_MS + 1)).toEqual(["n.1"]);
    expect(fleet.expire(NODE_SILENCE_MS + 2)).toEqual([]);
    expect(fleet.nodes()).toEqual([]);
  });
});
