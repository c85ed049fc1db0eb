/** `nereid key`: makes an API key, shows it once, and puts the line that lets it in into a file. */
import { appendFile } from "node:fs/promises";
import { ServingError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { readSettings, type SettingsSource } from "../core/settings.ts";
import { KEY_SETTINGS } from "./settings/settings-tables.ts";

/** @throws ServingError INVALID_ARGUMENT for a tenant that is no name, or limits that are none */
export async function key(tenant: string, source: SettingsSource): Promise<void> {
  const { access, file, limits } = readSettings(KEY_SETTINGS, source);
  const [{ newApiKey, parseApiKeys }, { parseKeyLimits }] = await Promise.all([
    import("../gateway/access/api-keys.ts"),
    import("../gateway/quotas/key-limits.ts"),
  ]);
  if (limits !== undefined && parseKeyLimits(limits) === undefined) {
    const allowed = "requests/min=N,tokens/min=N,tokens/day=N,concurrent=N, or some of them, with whole numbers from 1";
    throw new ServingError("INVALID_ARGUMENT", `the limits ${JSON.stringify(limits.slice(0, 100))} are not allowed: ${allowed}`);
  }
  const made = newApiKey(systemRandom, { tenant, access });
  const line = limits === undefined ? made.line : `${made.line} ${limits}`;
  try {
    parseApiKeys(made.line);
  } catch (cause) {
    const allowed = "letters, digits, '.', '_' and '-', at most 64";
    throw new ServingError("INVALID_ARGUMENT", `the tenant ${JSON.stringify(tenant.slice(0, 100))} is not allowed: ${allowed}`, { cause });
  }
  if (file === undefined) process.stderr.write(`a line for the server's --api-keys-file:\n${line}\n`);
  else await appendFile(file, `${line}\n`, { mode: 0o600 });
  process.stdout.write(`${made.key}\n`);
}
