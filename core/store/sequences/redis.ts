/** Sequences in Redis: a hash each, that expires. */
import { Buffer } from "node:buffer";
import { assert } from "../../errors.ts";
import { type RedisConnection, storeKey, type Transition } from "../redis-connection.ts";
import type { Commit, SequenceRecord, SequenceStore, TakeOver } from "./sequence-store.ts";

/** ARGV: owner, fence, token of the start, time to live. */
const BEGIN: Transition = {
  name: "begin a sequence",
  lua: `
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', ARGV[2], 'start', ARGV[3],
      'steps', '0', 'token', '', 'ended', '0', 'states', '', 'answer', '')
    redis.call('PEXPIRE', KEYS[1], ARGV[4])`,
};

/** ARGV: owner, fence, from whom, time to live. */
const TAKE_OVER: Transition = {
  name: "take a sequence over",
  lua: `
    local r = redis.call('HMGET', KEYS[1], 'owner', 'start', 'steps', 'token', 'ended', 'states', 'answer')
    if not r[1] then return {'unknown'} end
    local kind = 'taken'
    if r[5] == '1' then kind = 'ended'
    elseif r[1] ~= ARGV[1] and r[1] ~= ARGV[3] then return {'owned', r[1]}
    else
      redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', ARGV[2])
      redis.call('PEXPIRE', KEYS[1], ARGV[4])
    end
    return {kind, r[1], r[2], r[3], r[4], r[6], r[7]}`,
};

/** ARGV: fence, steps before, steps, token, whether it ends, states, answer, time to live. */
const COMMIT: Transition = {
  name: "keep a sequence's step",
  lua: `
    local r = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'steps')
    if not r[1] then return {'unknown'} end
    if r[2] ~= ARGV[1] then return {'moved', r[1]} end
    if r[3] ~= ARGV[2] and r[3] ~= ARGV[3] then return {'unknown'} end
    redis.call('HSET', KEYS[1], 'steps', ARGV[3], 'token', ARGV[4], 'ended', ARGV[5], 'states', ARGV[6], 'answer', ARGV[7])
    redis.call('PEXPIRE', KEYS[1], ARGV[8])
    return {'committed'}`,
};

/** ARGV: fence. */
const FORGET: Transition = {
  name: "forget a sequence",
  lua: `if redis.call('HGET', KEYS[1], 'fence') == ARGV[1] then redis.call('DEL', KEYS[1]) end`,
};

/** Ten years: more than Redis's own arithmetic is asked to add to the time of day. */
const TTL_MS_MAX = 10 * 365 * 24 * 3_600_000;

const ttl = (ttlMs: number): number => Math.min(TTL_MS_MAX, Math.ceil(ttlMs));
const keyOf = (key: string): readonly string[] => [storeKey("sequence", key)];

export function redisSequenceStore(connection: RedisConnection): SequenceStore {
  return {
    async begin(key, { owner, fence, start }, ttlMs) {
      await connection.run(BEGIN, keyOf(key), [owner, fence, start, ttl(ttlMs)]);
    },
    async takeOver(key, { owner, fence, from }, ttlMs) {
      const { reply } = await connection.runBytes(TAKE_OVER, keyOf(key), [owner, fence, from, ttl(ttlMs)]);
      return takeOverOf(buffersOf(reply));
    },
    async commit(key, { fence, after }, { steps, token, ended, states, answer }, ttlMs) {
      const args = [fence, after, steps, token, ended ? 1 : 0, states, answer, ttl(ttlMs)];
      const { reply } = await connection.runBytes(COMMIT, keyOf(key), args);
      return commitOf(buffersOf(reply));
    },
    async forget(key, fence) {
      await connection.run(FORGET, keyOf(key), [fence]);
    },
  };
}

function buffersOf(reply: unknown): readonly Buffer[] {
  assert(Array.isArray(reply) && reply.every((one) => Buffer.isBuffer(one)), "a transition of sequences answers with a list of bytes");
  return reply;
}

const NOTHING = Buffer.alloc(0);

function takeOverOf([kind = NOTHING, owner = NOTHING, ...rest]: readonly Buffer[]): TakeOver {
  const [start = NOTHING, steps = NOTHING, token = NOTHING, states = NOTHING, answer = NOTHING] = rest;
  const record: Omit<SequenceRecord, "ended"> = {
    owner: owner.toString(),
    start: start.toString(),
    steps: Number(steps.toString()),
    token: token.toString(),
    states,
    answer,
  };
  switch (kind.toString()) {
    case "taken":
      return { kind: "taken", record: { ...record, ended: false } };
    case "ended":
      return { kind: "ended", record: { ...record, ended: true } };
    case "owned":
      return { kind: "owned", owner: record.owner };
    default:
      return { kind: "unknown" };
  }
}

function commitOf([kind = NOTHING, owner = NOTHING]: readonly Buffer[]): Commit {
  switch (kind.toString()) {
    case "committed":
      return { kind: "committed" };
    case "moved":
      return { kind: "moved", owner: owner.toString() };
    default:
      return { kind: "unknown" };
  }
}
