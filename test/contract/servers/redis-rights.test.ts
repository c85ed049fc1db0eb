/** What the passwords of gateways and agents open in a real Redis: their own keys, and no door to anything else (row R44). */
import { expect, test } from "vitest";
import { redisGenerationStore } from "../../../core/store/generations/redis.ts";
import { redisJournalStore } from "../../../core/store/journals/redis.ts";
import { redisPlacementLease, redisWantedModels } from "../../../core/store/placement/redis.ts";
import { redisQuotaStore } from "../../../core/store/quotas/redis.ts";
import { REDIS_RIGHTS } from "../../../core/store/redis-rights.ts";
import { redisSequenceStore } from "../../../core/store/sequences/redis.ts";
import { load } from "../wanted-models.ts";
import { redisCommand } from "./redis-command.ts";
import { redisRig } from "./redis-rig.ts";

const redis = redisRig();

async function urlOf(role: keyof typeof REDIS_RIGHTS): Promise<string> {
  await redis.command("ACL", "SETUSER", role, "reset", "on", ">secret", ...REDIS_RIGHTS[role].split(" "));
  const url = new URL(redis.server().url);
  [url.username, url.password] = [role, "secret"];
  return url.href;
}

const GENERATION = { tenant: "t", model: "m", node: "n", incarnation: "i" };
const step = { steps: 1, token: "a", ended: false, states: new Uint8Array(1), answer: new Uint8Array(1) };

test("R44: a gateway places models and finds resumable streams, and has no business with sequences", async () => {
  await using connection = await redis.connected(await urlOf("gateway"));
  expect(await redisPlacementLease(connection).hold({ holder: "a", ttlMs: 1_000, fenceMin: 0 })).toMatchObject({ kind: "held" });
  const models = redisWantedModels(connection);
  expect(await models.change("m", 0, { current: load(1), gone: [] })).toBe(true);
  expect((await models.read(undefined))?.entries.size).toBe(1);
  const generations = redisGenerationStore(connection);
  await generations.begin("g", { ...GENERATION, fence: "f" }, 60_000);
  expect(await generations.take("g", { tenant: "t", fence: "h" }, 60_000)).toEqual(GENERATION);
  expect(await generations.keep("g", { node: "n", incarnation: "i", fence: "h" }, 60_000)).toEqual({ kind: "kept" });
  expect(await redisQuotaStore(connection).exchange(1, new Map([["k", { requests: 1, tokens: 5 }]]))).toEqual(
    new Map([["k", { requests: 1, tokens: 5 }]]),
  );
  expect(await redisJournalStore(connection).read("g")).toBe(undefined);
  const stolen = redisSequenceStore(connection).begin("s", { owner: "a", fence: "f", start: "t" }, 1_000);
  await expect(stolen).rejects.toMatchObject({ code: "PERMISSION_DENIED", reason: "store_denied" });
});

test("R44: a gateway that does not place asks for models, and cannot take the lease", async () => {
  await using connection = await redis.connected(await urlOf("serving-gateway"));
  const models = redisWantedModels(connection);
  expect(await models.change("m", 0, { current: load(1), gone: [] })).toBe(true);
  expect((await models.read(undefined))?.entries.size).toBe(1);
  await redisGenerationStore(connection).begin("g", { ...GENERATION, fence: "f" }, 60_000);
  const taken = redisPlacementLease(connection).hold({ holder: "a", ttlMs: 1_000, fenceMin: 0 });
  await expect(taken).rejects.toMatchObject({ code: "PERMISSION_DENIED", reason: "store_denied" });
});

test("R44: an agent keeps sequences and journals, and has no business with placement and streams", async () => {
  await using connection = await redis.connected(await urlOf("agent"));
  const sequences = redisSequenceStore(connection);
  await sequences.begin("s", { owner: "a", fence: "f", start: "t" }, 60_000);
  expect(await sequences.commit("s", { fence: "f", after: 0 }, step, 60_000)).toEqual({ kind: "committed" });
  expect(await sequences.takeOver("s", { owner: "b", fence: "g", from: "a" }, 60_000)).toMatchObject({ kind: "taken" });
  await sequences.forget("s", "g");
  const journals = redisJournalStore(connection);
  expect(await journals.append("g", { fence: "f", at: 0, bytes: new Uint8Array(9) }, 60_000)).toEqual({ kind: "kept" });
  await journals.forget("g", "f");
  for (const stolen of [
    redisPlacementLease(connection).hold({ holder: "a", ttlMs: 1_000, fenceMin: 0 }),
    redisGenerationStore(connection).take("g", { tenant: "t", fence: "f" }, 1_000),
  ])
    await expect(stolen).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
});

test.each(["gateway", "serving-gateway", "agent"] as const)(
  "R44: nobody with the %s's password reaches the server itself",
  async (role) => {
    const url = await urlOf(role);
    for (const [command = "", ...args] of [
      ["EVAL", "return 1", "0"],
      ["FCALL", "f", "0"],
      ["FUNCTION", "LIST"],
      ["SCRIPT", "FLUSH"],
      ["KEYS", `${"*?".repeat(500)}`],
      ["SCAN", "0", "MATCH", "*".repeat(1_000)],
      ["CONFIG", "GET", "*"],
      ["FLUSHALL"],
      ["MODULE", "LIST"],
      ["ACL", "LIST"],
      ["CLIENT", "LIST"],
      ["SAVE"],
      ["SHUTDOWN"],
      ["REPLICAOF", "127.0.0.1", "1"],
      ["PUBLISH", "a", "b"],
      ["GET", "somebody:elses"],
    ]) {
      await expect(redisCommand(url, command, ...args), command).rejects.toThrow(/NOPERM/);
    }
  },
);
