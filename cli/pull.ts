/** `nereid pull`: a known model by name, or a local file with `--name`. */
import { homedir } from "node:os";
import { sep } from "node:path";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { readSettings, type SettingsSource } from "../core/settings.ts";
import { type CacheFolders, cacheFolders } from "./cache.ts";
import { CATALOG, catalogModel } from "./pull/catalog.ts";
import { HUB_URL } from "./pull/from-hub.ts";
import { INSTALLERS } from "./pull/from-python-index.ts";
import { importFile } from "./pull/import-file.ts";
import { type PulledModel, pullModel } from "./pull/pull-model.ts";
import { PULL_SETTINGS } from "./settings/settings-tables.ts";
import { stopSignal } from "./stop.ts";

/** `HF_ENDPOINT` is the hub's own variable for a mirror. */
interface HubEnvironment {
  readonly HF_ENDPOINT?: string | undefined;
}

export async function pull(model: string, source: SettingsSource): Promise<void> {
  const settings = readSettings(PULL_SETTINGS, source);
  const folders = cacheFolders(settings, source.environment, homedir());
  using stop = stopSignal(systemClock, source.environment);
  if (isFile(model)) {
    if (settings.name === undefined) {
      throw new ServingError("INVALID_ARGUMENT", `${model} is a file: say under which name to keep it, with --name NAME`);
    }
    process.stdout.write(`${settings.name}: ${await importFile(model, settings.name, folders, stop.signal)}\n`);
    return;
  }
  const pulled = await pullByName(model, folders, source.environment, stop.signal);
  process.stdout.write(`${model}: ${pulled.path}${pulled.fetched ? "" : " (already there)"}\n`);
}

/** @throws ServingError NOT_FOUND that lists the known names; what pullModel throws */
export async function pullByName(
  name: string,
  folders: CacheFolders,
  environment: HubEnvironment,
  signal: AbortSignal,
): Promise<PulledModel> {
  const model = catalogModel(name);
  if (model === undefined) {
    const known = CATALOG.map((entry) => entry.name).join(", ");
    throw new ServingError(
      "NOT_FOUND",
      `no model is known as ${JSON.stringify(name)}. Known: ${known}. A file of your own: npx nereid pull FILE.gguf --name NAME`,
    );
  }
  return await pullModel(model, {
    folders,
    installers: INSTALLERS,
    hub: environment.HF_ENDPOINT?.replace(/\/$/, "") || HUB_URL,
    clock: systemClock,
    output: process.stdout,
    signal,
  });
}

const isFile = (text: string): boolean => text.endsWith(".gguf") || text.includes("/") || text.includes(sep);
