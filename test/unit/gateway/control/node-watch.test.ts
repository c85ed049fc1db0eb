/** Nodes are heard over their links without pestering those that do not let themselves be heard. */
import { expect, test } from "vitest";
import { MemoryBroker } from "../../../../core/bus/memory.ts";
import { ServingError } from "../../../../core/errors.ts";
import { FleetWatch } from "../../../../gateway/control/fleet-watch.ts";
import { NodeWatch } from "../../../../gateway/control/node-watch.ts";
import type { Submission } from "../../../../gateway/serving/submit.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";
import { HeardNode } from "./heard-nodes.ts";

const MESSAGE = "what is a watch?";
const ANSWERS: readonly (() => Promise<Submission>)[] = [
  async () => ({ kind: "refused", reason: "not-here", message: MESSAGE }),
  () => Promise.reject(new ServingError("INTERNAL", MESSAGE)),
];

test.for(ANSWERS)("a node that answers and is not to be heard is asked again now and then, and not taken for dead", async (submit) => {
  const clock = new FakeClock();
  const broker = new MemoryBroker({ clock });
  const { logger } = new LogBook();
  using watch = new FleetWatch(broker.connect(), clock, logger);
  let asked = 0;
  const submitter = { submit: () => submit().finally(() => (asked += 1)) };
  using _nodes = new NodeWatch({ bus: { connected: true }, watch, submitter, clock, logger });
  const node = new HeardNode("n", broker.connect());
  node.beat();
  await clock.pass(2_900);
  expect(asked).toBe(6);
  expect(watch.fleet.nodes()).toHaveLength(1);
});
