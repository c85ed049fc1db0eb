import { describe, expect, test } from "vitest";
import { MemoryBroker } from "../../../core/bus/memory.ts";
import { nodeId } from "../../../core/ids.ts";
import { Heartbeat } from "../../../core/messages/heartbeat.ts";
import { decodeJson } from "../../../core/messages/json-message.ts";
import { SUBJECTS } from "../../../core/messages/subjects.ts";
import { HeartbeatSender } from "../../../node-agent/heartbeat.ts";
import { Watchers } from "../../../node-agent/watchers.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { LogBook } from "./hosting-rig.ts";

const NODE = nodeId("node-1");

function start() {
  const clock = new FakeClock();
  const broker = new MemoryBroker({ clock, payloadBytesMax: 1_000 });
  const log = new LogBook();
  const heard: { readonly atMs: number; readonly heartbeat: Heartbeat }[] = [];
  broker.connect().subscribe(SUBJECTS.everyHeartbeat, (payload) => {
    heard.push({ atMs: clock.now(), heartbeat: decodeJson(Heartbeat, payload) });
  });
  let free = 100;
  let cpu = "scripted";
  const report = () => ({
    incarnation: "first",
    link: "memory:1",
    wire: "unix:/wire",
    cpu,
    memoryTotalBytes: 1_000,
    memoryFreeBytes: free,
    shards: [],
    replicas: [],
    models: [],
  });
  const sender = new HeartbeatSender(NODE, report, { bus: broker.connect(), clock, watchers: new Watchers(), logger: log.logger });
  const setFree = (bytes: number) => {
    free = bytes;
    sender.changed();
  };
  const setCpu = (name: string) => {
    cpu = name;
    sender.changed();
  };
  return { clock, log, sender, heard, setFree, setCpu, times: () => heard.map(({ atMs }) => atMs) };
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

  test("that is too large for the bus is left out there, and said once", async () => {
    const { clock, log, times, setCpu } = start();
    await clock.pass(100);
    setCpu("x".repeat(1_000));
    await clock.pass(2_000);
    expect(times()).toEqual([0]);
    expect(log.lines).toEqual([expect.stringContaining("warn heartbeats are too large for the bus")]);
    setCpu("scripted");
    await clock.pass(100);
    expect(times()).toEqual([0, 2_100]);
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
