/** `nereid drain`: moves what is on a node to the others and keeps the node empty, or lets it take things again. */
import { sleep, systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { readSettings, type SettingsSource } from "../core/settings.ts";
import { DRAIN_SETTINGS } from "./settings/settings-tables.ts";
import { type AskedGateway, askState, askToLeave } from "./status/ask-gateway.ts";

const LOOK_AGAIN_MS = 500;

/** @throws ServingError NOT_FOUND when there is no such node; DEADLINE_EXCEEDED when something is still there after the wait */
export async function drain(node: string, source: SettingsSource): Promise<void> {
  const { undo, waitSecs, ...gateway } = readSettings(DRAIN_SETTINGS, source);
  await askToLeave(gateway, node, !undo);
  if (!undo && waitSecs > 0) await untilEmpty(node, gateway, waitSecs);
  const said = undo ? "may take models again" : waitSecs > 0 ? "is drained: nothing is there any more" : "is being drained";
  process.stdout.write(`${node} ${said}\n`);
}

async function untilEmpty(node: string, gateway: AskedGateway, waitSecs: number): Promise<void> {
  const untilMs = systemClock.now() + waitSecs * 1_000;
  for (;;) {
    const found = (await askState(gateway)).nodes.find((one) => one.node === node);
    if (found === undefined || found.state === "drained") return;
    if (systemClock.now() >= untilMs) {
      const why = "what is there fits nowhere else, or is still on its way: see nereid status; the drain goes on, --undo ends it";
      throw new ServingError("DEADLINE_EXCEEDED", `${node} is not empty after ${waitSecs} s: ${why}`);
    }
    await sleep(systemClock, LOOK_AGAIN_MS, new AbortController().signal);
  }
}
