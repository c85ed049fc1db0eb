/** What every adapter of the bus port promises; `bus.test.ts` runs it on each. */
import { expect, test } from "vitest";
import type { Bus } from "../../core/bus/bus.ts";
import { Inbox } from "../support/inbox.ts";

/** A broker of the test's own. */
export interface BusRig extends AsyncDisposable {
  connect(): Promise<Bus>;
  /** Resolves when the subscriptions made so far are in force. */
  settled(): Promise<void>;
  /** The broker goes away; resolves when every bus has noticed. */
  disconnect(): Promise<void>;
  reconnect(): Promise<void>;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (content: string) => new TextEncoder().encode(content);

function inboxOf(bus: Bus, pattern: string): Inbox<string> {
  const inbox = new Inbox<string>();
  bus.subscribe(pattern, (payload, subject) => inbox.put(`${subject} ${text(payload)}`));
  return inbox;
}

export function busContract(open: () => Promise<BusRig>): void {
  test("messages of one tick arrive whole, in order, and never within publish", async () => {
    await using rig = await open();
    await using from = await rig.connect();
    await using to = await rig.connect();
    const inbox = inboxOf(to, "a.b");
    await rig.settled();
    for (let number = 0; number < 200; number++) from.publish("a.b", bytes(String(number)));
    expect(inbox.items).toEqual([]);
    expect(await inbox.until(200)).toEqual(Array.from({ length: 200 }, (_, number) => `a.b ${number}`));
  });

  test("a star stands for one part, an arrow for all that follow, and a plain pattern for itself", async () => {
    await using rig = await open();
    await using bus = await rig.connect();
    const [one, rest, plain, all] = ["node.*.submit", "hb.>", "hb.a", ">"].map((pattern) => inboxOf(bus, pattern));
    await rig.settled();
    const subjects = ["node.n1.submit", "node.n1.control", "node.n1.x.submit", "hb", "hb.a", "hb.a.b"];
    for (const subject of subjects) bus.publish(subject, bytes("."));
    await all?.until(subjects.length);
    expect(one?.items).toEqual(["node.n1.submit ."]);
    expect(rest?.items).toEqual(["hb.a .", "hb.a.b ."]);
    expect(plain?.items).toEqual(["hb.a ."]);
  });

  test("each listener owns its payload, and the publisher keeps its own", async () => {
    await using rig = await open();
    await using bus = await rig.connect();
    const spoiler = new Inbox<Uint8Array>();
    bus.subscribe("a", (payload) => {
      expect(Object.getPrototypeOf(payload), "no Buffer, whose methods do otherwise").toBe(Uint8Array.prototype);
      payload.fill(0);
      spoiler.put(payload);
    });
    const second = inboxOf(bus, "a");
    await rig.settled();
    const payload = bytes("intact");
    bus.publish("a", payload);
    payload.fill(1);
    await spoiler.until(1);
    expect(await second.until(1)).toEqual(["a intact"]);
    expect(payload).toEqual(new Uint8Array(6).fill(1));
  });

  test("what was unsubscribed hears nothing more, the others do", async () => {
    await using rig = await open();
    await using bus = await rig.connect();
    const left = new Inbox<string>();
    const subscription = bus.subscribe("a", (payload) => left.put(text(payload)));
    const stays = inboxOf(bus, "a");
    await rig.settled();
    bus.publish("a", bytes("1"));
    await stays.until(1);
    subscription.unsubscribe();
    bus.publish("a", bytes("2"));
    await stays.until(2);
    expect(left.items).toEqual(["1"]);
  });

  test("a payload over the limit is refused where it is published, one of the limit arrives", async () => {
    await using rig = await open();
    await using bus = await rig.connect();
    const lengths = new Inbox<number>();
    bus.subscribe("a", (payload) => lengths.put(payload.byteLength));
    await rig.settled();
    expect(bus.payloadBytesMax).toBeGreaterThanOrEqual(512 * 1024);
    expect(() => bus.publish("a", new Uint8Array(bus.payloadBytesMax + 1))).toThrow(
      expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }),
    );
    bus.publish("a", new Uint8Array(bus.payloadBytesMax));
    expect(await lengths.until(1)).toEqual([bus.payloadBytesMax]);
  });

  test("while the broker is away everyone knows it and messages are lost; subscriptions are there again when it is back", async () => {
    await using rig = await open();
    await using bus = await rig.connect();
    const changes = new Inbox<boolean>();
    const inbox = inboxOf(bus, "a");
    bus.onConnection(changes.put);
    await rig.settled();
    expect(bus.connected).toBe(true);
    await rig.disconnect();
    expect(await changes.until(1)).toEqual([false]);
    expect(bus.connected).toBe(false);
    bus.publish("a", bytes("lost"));
    await rig.reconnect();
    expect(await changes.until(2)).toEqual([false, true]);
    expect(bus.connected).toBe(true);
    bus.publish("a", bytes("kept"));
    expect(await inbox.until(1)).toEqual(["a kept"]);
  });

  test("a disposed bus has sent what was published, and hears nothing more", async () => {
    await using rig = await open();
    const leaving = await rig.connect();
    await using stays = await rig.connect();
    const heard = inboxOf(leaving, "a");
    const inbox = inboxOf(stays, "a");
    await rig.settled();
    leaving.publish("a", bytes("last"));
    await leaving[Symbol.asyncDispose]();
    await inbox.until(1);
    const before = heard.items.length;
    stays.publish("a", bytes("after"));
    expect(await inbox.until(2)).toEqual(["a last", "a after"]);
    expect(heard.items).toHaveLength(before);
    expect(leaving.connected).toBe(false);
  });
}
