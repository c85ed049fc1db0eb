/** Resumable generations in Redis: a hash each, that expires. */
import { assert } from "../../errors.ts";
import { type RedisConnection, storeKey, type Transition } from "../redis-connection.ts";
import type { GenerationRecord, GenerationStore, Keep } from "./generation-store.ts";

/** ARGV: fence, tenant, model, node, incarnation, time to live. */
const BEGIN: Transition = {
  name: "begin a resumable generation",
  lua: `
    redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'tenant', ARGV[2], 'model', ARGV[3], 'node', ARGV[4], 'incarnation', ARGV[5])
    redis.call('PEXPIRE', KEYS[1], ARGV[6])`,
};

/** ARGV: tenant, fence, time to live. */
const TAKE: Transition = {
  name: "take up a resumable generation",
  lua: `
    local r = redis.call('HMGET', KEYS[1], 'tenant', 'model', 'node', 'incarnation')
    if r[1] ~= ARGV[1] then return {} end
    redis.call('HSET', KEYS[1], 'fence', ARGV[2])
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return r`,
};

/** ARGV: fence, node, incarnation, time to live. */
const KEEP: Transition = {
  name: "keep a resumable generation",
  lua: `
    local fence = redis.call('HGET', KEYS[1], 'fence')
    if not fence then return 'unknown' end
    if fence ~= ARGV[1] then return 'taken' end
    redis.call('HSET', KEYS[1], 'node', ARGV[2], 'incarnation', ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    return 'kept'`,
};

const keyOf = (generation: string): readonly string[] => [storeKey("generation", generation)];

export function redisGenerationStore(connection: RedisConnection): GenerationStore {
  return {
    async begin(generation, { fence, tenant, model, node, incarnation }, ttlMs) {
      await connection.run(BEGIN, keyOf(generation), [fence, tenant, model, node, incarnation, ttlMs]);
    },
    async take(generation, { tenant, fence }, ttlMs) {
      const { reply } = await connection.run(TAKE, keyOf(generation), [tenant, fence, ttlMs]);
      return recordOf(reply);
    },
    async keep(generation, { fence, node, incarnation }, ttlMs) {
      const { reply } = await connection.run(KEEP, keyOf(generation), [fence, node, incarnation, ttlMs]);
      return keepOf(reply);
    },
  };
}

function recordOf(reply: unknown): GenerationRecord | undefined {
  assert(Array.isArray(reply), "a generation that is taken up is a list of texts");
  const [tenant, model, node, incarnation] = reply.map(String);
  if (tenant === undefined || model === undefined || node === undefined || incarnation === undefined) return undefined;
  return { tenant, model, node, incarnation };
}

function keepOf(reply: unknown): Keep {
  assert(reply === "kept" || reply === "taken" || reply === "unknown", `a generation is not ${String(reply)}`);
  return { kind: reply };
}
