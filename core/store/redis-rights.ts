/**
 * What each kind of program may do in Redis, as rules of its ACL user: its own keys, the commands that its transitions consist of, and
 * nothing by which a stolen password would reach the server or other keys. Held by test/contract/servers/redis-rights.test.ts. Pure.
 */

/** Transitions run by their digest; EVAL, functions and everything that looks at all keys stay off. */
const COMMANDS =
  "resetchannels -@all +hello +auth +ping +select +evalsha +script|load +get +set +del +incr +pexpire +pttl +hget +hmget +hgetall +hset +hincrby +hdel +time";

const keys = (...kinds: readonly string[]): string => [...kinds, "incarnation"].map((kind) => `~nereid:${kind}*`).join(" ");

const WANTED = ["placement:wanted", "placement:nodes", "placement:revision"];

export const REDIS_RIGHTS = {
  gateway: `${keys("placement:", "quota:", "generation:", "journal:")} ${COMMANDS}`,
  /** Of a gateway with `--placement false`: whoever has no lease has no fence, and agents obey commands with the newest alone. */
  "serving-gateway": `${keys(...WANTED, "quota:", "generation:", "journal:")} ${COMMANDS}`,
  agent: `${keys("sequence:", "journal:")} ${COMMANDS}`,
} as const;
