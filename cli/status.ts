/** `nereid status`: what a gateway knows of its cluster, as a table. */
import { deadlineSignal } from "../core/abort.ts";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { readSettings, type SettingsSource } from "../core/settings.ts";
import type { ConsoleState } from "../gateway/console/state.ts";
import { STATUS_SETTINGS } from "./settings-tables.ts";
import { statusReport } from "./status/report.ts";

const ANSWER_MS_MAX = 10_000;

/** @throws ServingError UNAVAILABLE when no gateway answers; NOT_FOUND when the node that was asked for is not there, or is leaving. */
export async function status(source: SettingsSource): Promise<void> {
  const { url, apiKey, node } = readSettings(STATUS_SETTINGS, source);
  const state = await fetchState(url, apiKey);
  const shown = node === undefined ? state : { ...state, nodes: state.nodes.filter((one) => one.node === node) };
  if (node !== undefined && !shown.nodes.some((one) => one.state === "serving")) {
    throw new ServingError("NOT_FOUND", `node ${node} is not serving, as ${url} sees it`);
  }
  process.stdout.write(statusReport(shown));
}

async function fetchState(url: string, apiKey: string | undefined): Promise<ConsoleState> {
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  using limit = deadlineSignal(systemClock, ANSWER_MS_MAX);
  let answer: Response;
  try {
    answer = await fetch(`${url}/console/state`, { headers, signal: limit.signal });
  } catch (cause) {
    throw new ServingError("UNAVAILABLE", `no gateway answers at ${url}: name one with --url`, { cause });
  }
  if (answer.status === 401 || answer.status === 403) throw new ServingError("UNAUTHENTICATED", `${url} asks for a key: give --api-key`);
  const state = parsed(await answer.text());
  if (!answer.ok || state?.server?.name !== "nereid")
    throw new ServingError("UNKNOWN", `${url} answered ${answer.status}: is that a Nereid gateway?`);
  return state;
}

function parsed(text: string): ConsoleState | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
