/** `nereid status`: what a gateway knows of its cluster, as a table. */
import { ServingError } from "../core/errors.ts";
import { readSettings, type SettingsSource } from "../core/settings.ts";
import { STATUS_SETTINGS } from "./settings/settings-tables.ts";
import { askState } from "./status/ask-gateway.ts";
import { statusReport } from "./status/report.ts";

/** @throws ServingError UNAVAILABLE when no gateway answers; NOT_FOUND when the node that was asked for is not there, or is leaving. */
export async function status(source: SettingsSource): Promise<void> {
  const { node, ...gateway } = readSettings(STATUS_SETTINGS, source);
  const state = await askState(gateway);
  const shown = node === undefined ? state : { ...state, nodes: state.nodes.filter((one) => one.node === node) };
  if (node !== undefined && !shown.nodes.some((one) => one.state === "serving")) {
    throw new ServingError("NOT_FOUND", `node ${node} is not serving, as ${gateway.url} sees it`);
  }
  process.stdout.write(statusReport(shown));
}
