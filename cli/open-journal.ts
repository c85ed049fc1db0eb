/** Opens the journal of resumable generations that a program's settings ask for. */
import { readFile } from "node:fs/promises";
import { ServingError } from "../core/errors.ts";
import type { SettingsOf } from "../core/settings.ts";
import { JournalKeys } from "../core/store/journals/journal-seal.ts";
import type { JournalStore } from "../core/store/journals/journal-store.ts";
import { redisJournalStore } from "../core/store/journals/redis.ts";
import type { RedisConnection } from "../core/store/redis-connection.ts";
import type { JOURNAL_SETTINGS } from "./settings/journal-settings.ts";

export interface OpenJournal {
  readonly store: JournalStore;
  readonly keys: JournalKeys;
}

/**
 * undefined: there is no key. @param connection undefined: there is no Redis
 * @throws ServingError that says what to do, FAILED_PRECONDITION where there is a key and no Redis, or `on` and no key
 */
export async function openJournal(
  { journal, journalKeyFile }: SettingsOf<typeof JOURNAL_SETTINGS>,
  connection: RedisConnection | undefined,
): Promise<OpenJournal | undefined> {
  if (journalKeyFile === undefined) {
    if (journal === "off") return undefined;
    const message = "--journal on needs --journal-key-file: what is written down is encrypted; make a key with openssl rand -base64 32";
    throw new ServingError("FAILED_PRECONDITION", message);
  }
  if (connection === undefined) throw new ServingError("FAILED_PRECONDITION", "a journal needs --redis-url: it is written there");
  return { store: redisJournalStore(connection), keys: await keysOf(journalKeyFile) };
}

async function keysOf(file: string): Promise<JournalKeys> {
  try {
    return new JournalKeys(await readFile(file, "utf8"));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError("FAILED_PRECONDITION", `--journal-key-file ${file} cannot be used: ${message}`, { cause });
  }
}
