/** `nereid key`: makes an API key, shows it once, and puts the line that lets it in into a file. */
import { appendFile } from "node:fs/promises";
import { ServingError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { readSettings, type SettingsSource } from "../core/settings.ts";
import { KEY_SETTINGS } from "./settings-tables.ts";

/** @throws ServingError INVALID_ARGUMENT for a tenant that is no name */
export async function key(tenant: string, source: SettingsSource): Promise<void> {
  const { access, file } = readSettings(KEY_SETTINGS, source);
  const { newApiKey, parseApiKeys } = await import("../gateway/access/api-keys.ts");
  const made = newApiKey(systemRandom, { tenant, access });
  try {
    parseApiKeys(made.line);
  } catch (cause) {
    const allowed = "letters, digits, '.', '_' and '-', at most 64";
    throw new ServingError("INVALID_ARGUMENT", `the tenant ${JSON.stringify(tenant.slice(0, 100))} is not allowed: ${allowed}`, { cause });
  }
  if (file === undefined) process.stderr.write(`a line for the server's --api-keys-file:\n${made.line}\n`);
  else await appendFile(file, `${made.line}\n`, { mode: 0o600 });
  process.stdout.write(`${made.key}\n`);
}
