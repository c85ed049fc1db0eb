/** Nodes that fall silent are taken for dead, but not because this process was held up. */
import { describe, expect, test } from "vitest";
import { MemoryBroker } from "../../../../core/bus/memory.ts";
import { nodeId } from "../../../../core/ids.ts";
import { encodeJson } from "../../../../core/messages/json-message.ts";
import { SUBJECTS } from "../../../../core/messages/subjects.ts";
import type { Logger } from "../../../../core/telemetry/logger.ts";
import { NODE_SILENCE_MS } from "../../../../gateway/control/fleet.ts";
import { FleetWatch } from "../../../../gateway/control/fleet-watch.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const QUIET: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => QUIET };
const NODE = nodeId("n");

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

function rig() {
  const clock = new HeldUpClock();
  const broker = new MemoryBroker({ clock });
  const watch = new FleetWatch(broker.connect(), clock, QUIET);
  const bus = broker.connect();
  let sequence = 0;
  const beat = () => {
    sequence += 1;
    const body = {
      incarnation: "1",
      link: "",
      wire: "",
      cpu: "",
      memoryTotalBytes: 0,
      memoryFreeBytes: 0,
      shards: [],
      replicas: [],
      models: [],
    };
    bus.publish(SUBJECTS.heartbeat(NODE), encodeJson({ ...body, node: NODE, sequence }));
  };
  return { clock, watch, bus, beat, nodes: () => watch.fleet.nodes().map(({ node }) => node) };
}

describe("the watch over nodes", () => {
  test("knows a node from its first heartbeat, and tells who listens", async () => {
    const { clock, watch, beat, nodes } = rig();
    let changes = 0;
    const unwatch = watch.onChange(() => {
      changes += 1;
    });
    beat();
    await clock.pass(0);
    expect([nodes(), changes]).toEqual([["n"], 1]);
    unwatch();
    beat();
    await clock.pass(0);
    expect(changes).toBe(1);
    watch[Symbol.dispose]();
  });

  test("forgets a node that is silent for longer than three seconds, and says so", async () => {
    const { clock, watch, beat, nodes } = rig();
    beat();
    await clock.pass(0);
    let changes = 0;
    watch.onChange(() => {
      changes += 1;
    });
    await clock.pass(NODE_SILENCE_MS);
    expect(nodes()).toEqual(["n"]);
    await clock.pass(1_000);
    expect([nodes(), changes]).toEqual([[], 1]);
    watch[Symbol.dispose]();
  });

  test("does not count the time in which it could not hear: a process that was held up hears first", async () => {
    const { clock, watch, beat, nodes } = rig();
    beat();
    await clock.pass(0);
    clock.holdUp(60_000);
    await clock.pass(1_000);
    expect(nodes()).toEqual(["n"]);
    await clock.pass(NODE_SILENCE_MS);
    expect(nodes()).toEqual([]);
    watch[Symbol.dispose]();
  });

  test("drops a heartbeat that does not fit, and hears the next", async () => {
    const { clock, watch, bus, beat, nodes } = rig();
    bus.publish(SUBJECTS.heartbeat(NODE), new TextEncoder().encode('{"node":7}'));
    await clock.pass(0);
    expect(nodes()).toEqual([]);
    beat();
    await clock.pass(0);
    expect(nodes()).toEqual(["n"]);
    watch[Symbol.dispose]();
  });
});
