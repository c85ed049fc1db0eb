/** What API keys have used, in Redis: a hash for each key and day, which expires when it is of no use any more. */
import { assert } from "../../errors.ts";
import { type RedisConnection, storeKey, type Transition } from "../redis-connection.ts";
import type { KeyUsage, QuotaStore } from "./quota-store.ts";

const KEPT_MS = 2 * 86_400_000;

/** KEYS: a hash for each key. ARGV: how long it is kept, then requests and tokens for each. */
const ADD: Transition = {
  name: "add what API keys have used",
  lua: `
    local totals = {}
    for index = 1, #KEYS - 1 do
      totals[2 * index - 1] = redis.call('HINCRBY', KEYS[index], 'requests', ARGV[2 * index])
      totals[2 * index] = redis.call('HINCRBY', KEYS[index], 'tokens', ARGV[2 * index + 1])
      redis.call('PEXPIRE', KEYS[index], ARGV[1])
    end
    return totals`,
};

export function redisQuotaStore(connection: RedisConnection): QuotaStore {
  return {
    async exchange(day, used) {
      const names = [...used.keys()];
      const hashes = names.map((name) => storeKey("quota", name, String(day)));
      const amounts = [...used.values()].flatMap(({ requests, tokens }) => [requests, tokens]);
      const { reply } = await connection.run(ADD, hashes, [KEPT_MS, ...amounts]);
      assert(Array.isArray(reply) && reply.length === 2 * names.length, "each key is answered with its requests and tokens");
      const usage = (index: number): KeyUsage => ({ requests: Number(reply[2 * index]), tokens: Number(reply[2 * index + 1]) });
      return new Map(names.map((name, index) => [name, usage(index)]));
    },
  };
}
