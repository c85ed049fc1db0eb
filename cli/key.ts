/** `nereid key`: makes an API key. The key goes to standard output once; the line for the keys file to standard error, so that they do not mix. */
import { ServingError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { readSettings, type SettingsSource } from "../core/settings.ts";
import { KEY_SETTINGS } from "./settings-tables.ts";

/** @throws ServingError INVALID_ARGUMENT */
export async function key(tenant: string, source: SettingsSource): Promise<void> {
  const { access } = readSettings(KEY_SETTINGS, source);
  const { newApiKey, parseApiKeys } = await import("../gateway/access/api-keys.ts");
  const made = newApiKey(systemRandom, { tenant, access });
  try {
    parseApiKeys(made.line);
  } catch (cause) {
    throw new ServingError(
      "INVALID_ARGUMENT",
      `the tenant ${JSON.stringify(tenant)} is not allowed: letters, digits, '.', '_', '-', at most 64`,
      { cause },
    );
  }
  process.stderr.write("for its owner, shown once (standard output):\n");
  process.stdout.write(`${made.key}\n`);
  process.stderr.write(`for the server's --api-keys-file:\n${made.line}\n`);
}
