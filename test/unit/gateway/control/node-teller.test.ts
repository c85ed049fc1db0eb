/** Commands reach their node by the way that takes them. */
import { expect, test } from "vitest";
import { MemoryBroker } from "../../../../core/bus/memory.ts";
import { nodeId } from "../../../../core/ids.ts";
import type { ControlMessage } from "../../../../core/messages/control.ts";
import { SUBJECTS } from "../../../../core/messages/subjects.ts";
import { nodeTeller } from "../../../../gateway/control/node-teller.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";

test("a command takes the bus, or the link where it is too large for the bus or the broker is away", async () => {
  const broker = new MemoryBroker({ clock: new FakeClock(), payloadBytesMax: 300 });
  const ways: string[] = [];
  broker.connect().subscribe(SUBJECTS.everyControl, () => ways.push("bus"));
  const tell = nodeTeller(broker.connect(), { tell: () => ways.push("link") });
  const load = (config: string): ControlMessage => {
    const control = { kind: "load-model", replica: "m/1/1", model: "m", version: "1", source: "", config } as const;
    return { fence: 1, control };
  };
  for (const config of ["{}", "x".repeat(300)]) {
    tell(nodeId("n"), load(config));
    await turns();
  }
  broker.disconnect();
  tell(nodeId("n"), load("{}"));
  expect(ways).toEqual(["bus", "link", "link"]);
});
