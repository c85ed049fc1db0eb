import { describe, expect, test } from "vitest";
import { MemoryBroker } from "../../../../core/bus/memory.ts";
import { nodeId } from "../../../../core/ids.ts";
import { encodeJson } from "../../../../core/messages/json-message.ts";
import { SUBJECTS } from "../../../../core/messages/subjects.ts";
import { FleetWatch } from "../../../../gateway/control/fleet-watch.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";
import { HeardNode, openShard } from "./heard-nodes.ts";

/** As if the process had been stopped for a while: time has passed, and no timer has fired. */
class HeldUpClock extends FakeClock {
  #heldUpMs = 0;

  override now(): number {
    return super.now() + this.#heldUpMs;
  }

  holdUp(byMs: number): void {
    this.#heldUpMs += byMs;
  }
}

function watch() {
  const clock = new HeldUpClock();
  const broker = new MemoryBroker({ clock });
  const log = new LogBook();
  const fleetWatch = new FleetWatch(broker.connect(), clock, log.logger);
  const nodes = ["node-1", "node-2"].map((name) => new HeardNode(name, broker.connect()));
  const seen: string[] = [];
  const unwatch = fleetWatch.onChange((fleet) =>
    seen.push(
      fleet
        .nodes()
        .map(({ node }) => node)
        .join(" "),
    ),
  );
  const [one, two] = nodes;
  if (one === undefined || two === undefined) throw new Error("there are two nodes");
  return { clock, broker, log, fleetWatch, one, two, seen, unwatch };
}

describe("the fleet as a gateway sees it", () => {
  test("is what its nodes say of themselves, and each word of theirs is told", async () => {
    const { clock, fleetWatch, one, two, seen } = watch();
    one.beat();
    two.beat({ shards: [openShard(0, 1)] });
    await clock.pass(0);
    expect(seen).toEqual(["node-1", "node-1 node-2"]);
    expect(fleetWatch.fleet.shards()).toMatchObject([{ node: "node-2", stage: 0 }]);
  });

  test("is told each word once, though it comes over the bus and over the link", async () => {
    const { clock, fleetWatch, one, seen } = watch();
    const word = one.beat();
    await clock.pass(0);
    fleetWatch.hear(encodeJson(word));
    expect(seen).toEqual(["node-1"]);
    fleetWatch.hear(encodeJson({ ...word, sequence: word.sequence + 1 }));
    expect(seen).toEqual(["node-1", "node-1"]);
  });

  test("does not change by a heartbeat that was overtaken", async () => {
    const { clock, fleetWatch, one, seen } = watch();
    one.beat({ sequence: 5, memoryFreeBytes: 5 });
    one.beat({ sequence: 4, memoryFreeBytes: 4 });
    await clock.pass(0);
    expect(seen.length).toBe(1);
    expect(fleetWatch.fleet.nodes()[0]?.heartbeat.memoryFreeBytes).toBe(5);
  });

  test("loses a node that has been silent for three seconds, with a warning, and tells it once", async () => {
    const { clock, one, two, seen, log } = watch();
    one.beat();
    two.beat();
    for (let second = 0; second < 4; second++) {
      await clock.pass(1_000);
      one.beat();
    }
    await clock.pass(1_000);
    expect(seen.at(-1)).toBe("node-1");
    expect(seen.filter((names) => names === "node-1").length).toBeGreaterThan(0);
    expect(log.lines).toEqual(["warn nodes are silent and taken for dead"]);
  });

  test("does not lose a node because the gateway's own process was held up: what was said meanwhile is heard first", async () => {
    const { clock, fleetWatch, one } = watch();
    one.beat();
    await clock.pass(0);
    clock.holdUp(60_000);
    await clock.pass(1_000);
    expect(fleetWatch.fleet.nodes().map(({ node }) => node)).toEqual(["node-1"]);
    await clock.pass(3_500);
    expect(fleetWatch.fleet.nodes()).toEqual([]);
  });

  test("keeps a node that speaks every half second", async () => {
    const { clock, fleetWatch, one } = watch();
    for (let beat = 0; beat < 40; beat++) {
      one.beat();
      await clock.pass(500);
    }
    expect(fleetWatch.fleet.nodes().map(({ node }) => node)).toEqual(["node-1"]);
  });

  test("has a node again as soon as that speaks again", async () => {
    const { clock, fleetWatch, one, log } = watch();
    one.beat();
    await clock.pass(10_000);
    expect(fleetWatch.fleet.nodes()).toEqual([]);
    one.beat({ incarnation: "second", sequence: 1 });
    await clock.pass(0);
    expect(fleetWatch.fleet.nodes().length).toBe(1);
    expect(log.lines.length).toBe(1);
  });

  test("is not moved by what is no heartbeat", async () => {
    const { clock, broker, seen, log } = watch();
    const bus = broker.connect();
    bus.publish(SUBJECTS.heartbeat(nodeId("node-3")), Uint8Array.of(1));
    bus.publish(SUBJECTS.heartbeat(nodeId("node-3")), encodeJson({ node: "node-3" }));
    await clock.pass(0);
    expect(seen).toEqual([]);
    expect(log.lines.every((line) => line.startsWith("warn a heartbeat that does not fit was dropped"))).toBe(true);
    expect(log.lines.length).toBe(2);
  });

  test("is not told to who has stopped asking", async () => {
    const { clock, one, seen, unwatch } = watch();
    unwatch();
    one.beat();
    await clock.pass(0);
    expect(seen).toEqual([]);
  });

  test("is not followed any more once the watch is over, and no timer is left", async () => {
    const { clock, fleetWatch, one, seen } = watch();
    fleetWatch[Symbol.dispose]();
    one.beat();
    await clock.pass(10_000);
    expect(seen).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
