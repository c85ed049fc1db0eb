import { describe, expect, test } from "vitest";
import { MemoryBroker } from "../../../core/bus/memory.ts";
import { nodeId } from "../../../core/ids.ts";
import { Heartbeat } from "../../../core/messages/heartbeat.ts";
import { decodeJson } from "../../../core/messages/json-message.ts";
import { SUBJECTS } from "../../../core/messages/subjects.ts";
import { HeartbeatSender } from "../../../node-agent/heartbeat.ts";
import { Watchers } from "../../../node-agent/watchers.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const NODE = nodeId("node-1");

function start() {
  const clock = new FakeClock();
  const broker = new MemoryBroker({ clock });
  const heard: { readonly atMs: number; readonly heartbeat: Heartbeat }[] = [];
  broker.connect().subscribe(SUBJECTS.everyHeartbeat, (payload) => {
    heard.push({ atMs: clock.now(), heartbeat: decodeJson(Heartbeat, payload) });
  });
  let free = 100;
  const report = () => ({
    incarnation: "first",
    link: "memory:1",
    wire: "unix:/wire",
    cpu: "scripted",
    memoryTotalBytes: 1_000,
    memoryFreeBytes: free,
    shards: [],
    replicas: [],
    models: [],
  });
  const sender = new HeartbeatSender(NODE, report, { bus: broker.connect(), clock, watchers: new Watchers() });
  const setFree = (bytes: number) => {
    free = bytes;
    sender.changed();
  };
  return { clock, sender, heard, setFree, times: () => heard.map(({ atMs }) => atMs) };
}

describe("a heartbeat", () => {
  test("leaves at once when the agent starts, and twice a second from then on, counting up", async () => {
    const { clock, heard, times } = start();
    await clock.pass(1_600);
    expect(times()).toEqual([0, 500, 1_000, 1_500]);
    expect(heard.map(({ heartbeat }) => heartbeat.sequence)).toEqual([1, 2, 3, 4]);
    expect(heard[0]?.heartbeat.node).toBe(NODE);
  });

  test("tells a change at once, all changes of one turn together", async () => {
    const { clock, heard, times, setFree } = start();
    await clock.pass(200);
    setFree(50);
    setFree(20);
    await clock.pass(1);
    expect(times()).toEqual([0, 200]);
    expect(heard[1]?.heartbeat.memoryFreeBytes).toBe(20);
  });

  test("comes half a second after the last one, whatever brought that", async () => {
    const { clock, times, setFree } = start();
    await clock.pass(400);
    setFree(50);
    await clock.pass(700);
    expect(times()).toEqual([0, 400, 900]);
  });

  test("is sent once more when the agent goes, then never again, and leaves no timer behind", async () => {
    const { clock, times, sender } = start();
    await clock.pass(100);
    sender[Symbol.dispose]();
    sender.changed();
    await clock.pass(2_000);
    expect(times()).toEqual([0, 100]);
    expect(clock.pending).toBe(0);
  });
});
