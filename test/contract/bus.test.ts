/** The bus contract on every adapter, then the faults of the memory broker. */
import { describe, expect, test } from "vitest";
import { MemoryBroker } from "../../core/bus/memory.ts";
import { FakeClock, turns } from "../support/fake-clock.ts";
import { busContract } from "./bus.ts";

describe("memory", () => {
  busContract(async () => {
    const broker = new MemoryBroker({ clock: new FakeClock() });
    return {
      connect: async () => broker.connect(),
      settled: async () => {},
      disconnect: async () => {
        broker.disconnect();
        await turns();
      },
      reconnect: async () => {
        broker.reconnect();
        await turns();
      },
      [Symbol.asyncDispose]: async () => {},
    };
  });

  function rig() {
    const clock = new FakeClock();
    const broker = new MemoryBroker({ clock });
    const bus = broker.connect();
    const heard: string[] = [];
    bus.subscribe(">", (payload, subject) => heard.push(`${subject} ${payload[0]}`));
    return { clock, broker, bus, heard };
  }

  test("dropped messages are lost, the others of the same tick arrive", async () => {
    const { broker, bus, heard } = rig();
    broker.drop((subject) => subject === "lossy");
    bus.publish("lossy", Uint8Array.of(1));
    bus.publish("fine", Uint8Array.of(2));
    await turns();
    expect(heard).toEqual(["fine 2"]);
  });

  test("delayed messages arrive in order when their time has come", async () => {
    const { clock, broker, bus, heard } = rig();
    broker.delay(20);
    bus.publish("a", Uint8Array.of(1));
    bus.publish("b", Uint8Array.of(2));
    await clock.pass(19);
    expect(heard).toEqual([]);
    await clock.pass(1);
    expect(heard).toEqual(["a 1", "b 2"]);
  });

  test("a disconnection loses what is under way", async () => {
    const { clock, broker, bus, heard } = rig();
    broker.delay(20);
    bus.publish("a", Uint8Array.of(1));
    await turns();
    broker.disconnect();
    broker.reconnect();
    await clock.pass(100);
    expect(heard).toEqual([]);
  });
});
