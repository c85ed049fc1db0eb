import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { openJournal } from "../../../cli/open-journal.ts";
import { JOURNAL_SETTINGS } from "../../../cli/settings/journal-settings.ts";
import { seededRandom } from "../../../core/random.ts";
import { readSettings } from "../../../core/settings.ts";
import { RedisConnection } from "../../../core/store/redis-connection.ts";
import { LogBook } from "../node-agent/hosting-rig.ts";

const NOWHERE = { url: "redis://127.0.0.1:9" };

/** @param key of the file that is given; undefined: none is */
async function opened(key: string | undefined, flags: readonly string[], redis: { readonly url: string } | undefined) {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), "nereid-key-"));
  const file = path.join(folder.path, "key");
  if (key !== undefined) await writeFile(file, key);
  const given = key === undefined ? flags : [...flags, "--journal-key-file", file];
  await using connection = redis && new RedisConnection(redis, { random: seededRandom(1n), logger: new LogBook().logger });
  return await openJournal(readSettings(JOURNAL_SETTINGS, { flags: given, environment: {} }), connection);
}

const KEY = Buffer.alloc(32, 9).toString("base64");

test("without a key there is no journal, and with one and Redis there is, whether models have to ask for it or not", async () => {
  expect(await opened(undefined, [], NOWHERE)).toBe(undefined);
  expect(await opened(`${KEY}\n`, [], NOWHERE)).toBeDefined();
  expect(await opened(KEY, ["--journal", "on"], NOWHERE)).toBeDefined();
});

test.each([
  ["no key", undefined, NOWHERE, /--journal on needs --journal-key-file.*openssl/],
  ["no Redis", KEY, undefined, /a journal needs --redis-url/],
  ["an empty key file", "", NOWHERE, /--journal-key-file .* cannot be used: there is no key/],
  ["a key that is too short", "c2hvcnQ=", NOWHERE, /key 1 is none: write 32 random bytes/],
] as const)("a program with --journal on and %s does not start, and says what to do", async (_what, key, redis, why) => {
  await expect(opened(key, ["--journal", "on"], redis)).rejects.toThrow(why);
});
