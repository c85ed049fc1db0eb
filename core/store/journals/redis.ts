/** Journals of generations in Redis: a hash each, with a field for each entry, that expires. */
import { Buffer } from "node:buffer";
import { assert } from "../../errors.ts";
import { type RedisConnection, storeKey, type Transition } from "../redis-connection.ts";
import { type Append, JOURNAL_BYTES_MAX, type Journal, type JournalStore } from "./journal-store.ts";

/** ARGV: fence, entries before, the entry, the most bytes, time to live. */
const APPEND: Transition = {
  name: "append to a generation's journal",
  lua: `
    local at, size = tonumber(ARGV[2]), string.len(ARGV[3])
    local count, bytes = 0, 0
    if at > 0 then
      local r = redis.call('HMGET', KEYS[1], 'fence', 'count', 'bytes')
      if not r[1] then return 'unknown' end
      if r[1] ~= ARGV[1] then return 'taken' end
      count, bytes = tonumber(r[2]), tonumber(r[3])
    end
    if count ~= at and count ~= at + 1 then return 'unknown' end
    if count == at then
      if bytes + size > tonumber(ARGV[4]) then return 'full' end
      if at == 0 then redis.call('DEL', KEYS[1]) end
      redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'count', at + 1, 'bytes', bytes + size, 'entry' .. at, ARGV[3])
    end
    redis.call('PEXPIRE', KEYS[1], ARGV[5])
    return 'kept'`,
};

const READ: Transition = { name: "read a generation's journal", lua: "return redis.call('HGETALL', KEYS[1])" };

/** ARGV: fence. */
const FORGET: Transition = {
  name: "forget a generation's journal",
  lua: `if redis.call('HGET', KEYS[1], 'fence') == ARGV[1] then redis.call('DEL', KEYS[1]) end`,
};

const keyOf = (generation: string): readonly string[] => [storeKey("journal", generation)];

export function redisJournalStore(connection: RedisConnection): JournalStore {
  return {
    async append(generation, { fence, at, bytes }, ttlMs) {
      const { reply } = await connection.run(APPEND, keyOf(generation), [fence, at, bytes, JOURNAL_BYTES_MAX, ttlMs]);
      return appendOf(reply);
    },
    async read(generation) {
      const { reply } = await connection.runBytes(READ, keyOf(generation), []);
      return journalOf(reply);
    },
    async forget(generation, fence) {
      await connection.run(FORGET, keyOf(generation), [fence]);
    },
  };
}

function appendOf(reply: unknown): Append {
  const known = reply === "kept" || reply === "taken" || reply === "unknown" || reply === "full";
  assert(known, `a journal is not ${String(reply)}`);
  return { kind: reply };
}

/** @param reply what HGETALL gives, as bytes */
export function journalOf(reply: unknown): Journal | undefined {
  assert(Array.isArray(reply) && reply.every((one) => Buffer.isBuffer(one)), "a journal is a list of bytes");
  const fields = new Map<string, Buffer>();
  for (const [index, value] of reply.entries()) if (index % 2 === 1) fields.set(String(reply[index - 1]), value);
  const [fence, count] = [fields.get("fence"), Number(fields.get("count"))];
  if (fence === undefined) return undefined;
  const entries = Array.from({ length: count }, (_, at) => fields.get(`entry${at}`)).filter((entry) => entry !== undefined);
  return { fence: fence.toString(), entries };
}
