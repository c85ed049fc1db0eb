/** Placement's part of the store in Redis: a hash of entries with their versions for models and one for nodes, their revision, a lease that expires and its fence. */
import type { Static, TSchema } from "typebox";
import { assert } from "../../errors.ts";
import { decodeJson } from "../../messages/json-message.ts";
import { type RedisConnection, storeKey, type Transition } from "../redis-connection.ts";
import type { PlacementLease } from "./placement-lease.ts";
import { WantedModel, type WantedModels, WantedNode } from "./wanted-models.ts";

const WANTED = storeKey("placement:wanted");
const NODES = storeKey("placement:nodes");
const REVISION = storeKey("placement:revision");
const LEASE = storeKey("placement:lease");
const FENCE = storeKey("placement:fence");

/** ARGV: the incarnation and revision that the reader knows. */
const READ: Transition = {
  name: "read what is wanted",
  lua: `
    local revision = tonumber(redis.call('GET', KEYS[2]) or '0')
    if incarnation == ARGV[1] and revision == tonumber(ARGV[2]) then return {revision} end
    return {revision, redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[3])}`,
};

/** An entry is its version, a blank and JSON. ARGV: model or node, expected version, JSON. */
const CHANGE: Transition = {
  name: "change what is wanted",
  lua: `
    local stored = redis.call('HGET', KEYS[1], ARGV[1])
    local version = stored and tonumber(string.match(stored, '^%d+')) or 0
    if version ~= tonumber(ARGV[2]) then return 0 end
    redis.call('HSET', KEYS[1], ARGV[1], (version + 1) .. ' ' .. ARGV[3])
    redis.call('INCR', KEYS[2])
    return 1`,
};

/** ARGV: the snapshot's revision, then model or node, version and JSON of each entry. */
const RESTORE: Transition = {
  name: "restore what is wanted",
  lua: `
    local lost = false
    for index = 2, #ARGV - 1, 3 do
      local stored = redis.call('HGET', KEYS[1], ARGV[index])
      local version = stored and tonumber(string.match(stored, '^%d+')) or 0
      if version < tonumber(ARGV[index + 1]) then
        redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1] .. ' ' .. ARGV[index + 2])
        lost = true
      end
    end
    if not lost then return end
    local revision = tonumber(redis.call('GET', KEYS[2]) or '0')
    redis.call('SET', KEYS[2], math.max(revision, tonumber(ARGV[1])) + 1)`,
};

export function redisWantedModels(connection: RedisConnection): WantedModels {
  return {
    async read(known) {
      const { incarnation, reply } = await connection.run(
        READ,
        [WANTED, REVISION, NODES],
        [known?.incarnation ?? "", known?.revision ?? -1],
      );
      const [revision, entries, nodes]: readonly unknown[] = Array.isArray(reply) ? reply : [];
      assert(typeof revision === "number", "a revision is a number");
      if (entries === undefined) return undefined;
      return { incarnation, revision, entries: entriesOf(WantedModel, entries), nodes: entriesOf(WantedNode, nodes) };
    },
    change: (model, expected, wanted) => change(connection, WANTED, [model, expected, JSON.stringify(wanted)]),
    changeNode: (node, expected, wanted) => change(connection, NODES, [node, expected, JSON.stringify(wanted)]),
    async restore({ revision, entries, nodes }) {
      for (const [table, lost] of [[WANTED, entries] as const, [NODES, nodes] as const]) {
        const flat = [...lost].flatMap(([key, { version, wanted }]) => [key, version, JSON.stringify(wanted)]);
        if (flat.length > 0) await connection.run(RESTORE, [table, REVISION], [revision, ...flat]);
      }
    },
  };
}

async function change(connection: RedisConnection, table: string, entry: readonly (string | number)[]): Promise<boolean> {
  const { reply } = await connection.run(CHANGE, [table, REVISION], entry);
  return reply === 1;
}

/** @param fields as HGETALL gives them: key, entry, key, entry … */
function entriesOf<Schema extends TSchema>(
  schema: Schema,
  fields: unknown,
): ReadonlyMap<string, { version: number; wanted: Static<Schema> }> {
  assert(Array.isArray(fields), "HGETALL gives a list");
  const entries = new Map<string, { version: number; wanted: Static<Schema> }>();
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const text = String(fields[index + 1]);
    const split = text.indexOf(" ");
    const wanted = decodeJson(schema, new TextEncoder().encode(text.slice(split + 1)));
    entries.set(String(fields[index]), { version: Number(text.slice(0, split)), wanted });
  }
  return entries;
}

/** A lease that has more left than a whole term was taken before the server's clock was set back. ARGV: holder, time to live, lowest fence. */
const HOLD: Transition = {
  name: "hold the placement lease",
  lua: `
    local holder = redis.call('GET', KEYS[1])
    if holder and holder ~= ARGV[1] then
      local left = redis.call('PTTL', KEYS[1])
      if left > tonumber(ARGV[2]) then
        left = tonumber(ARGV[2])
        redis.call('PEXPIRE', KEYS[1], left)
      end
      return {0, left}
    end
    local fence = tonumber(redis.call('GET', KEYS[2]) or '0')
    if not holder or fence < tonumber(ARGV[3]) then
      fence = math.max(fence, tonumber(ARGV[3])) + 1
      redis.call('SET', KEYS[2], fence)
    end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return {1, fence}`,
};

/** ARGV: holder, fence. */
const RELEASE: Transition = {
  name: "release the placement lease",
  lua: `
    if redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('GET', KEYS[2]) == ARGV[2] then redis.call('DEL', KEYS[1]) end`,
};

export function redisPlacementLease(connection: RedisConnection): PlacementLease {
  return {
    async hold({ holder, ttlMs, fenceMin }) {
      const { reply } = await connection.run(HOLD, [LEASE, FENCE], [holder, ttlMs, fenceMin]);
      const [held, number]: readonly unknown[] = Array.isArray(reply) ? reply : [];
      assert(typeof number === "number", "a lease is answered with its fence, or the time that it has left");
      return held === 1 ? { kind: "held", fence: number } : { kind: "taken", leftMs: Math.max(0, number) };
    },
    async release(holder, fence) {
      await connection.run(RELEASE, [LEASE, FENCE], [holder, fence]);
    },
  };
}
