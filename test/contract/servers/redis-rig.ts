/** A real Redis for a file of contracts: emptied before each test, its time moved by making keys expire sooner. */
import { afterAll, beforeAll, beforeEach } from "vitest";
import { systemRandom } from "../../../core/random.ts";
import { RedisConnection } from "../../../core/store/redis-connection.ts";
import { type RealServer, startRedis } from "../../support/real-servers.ts";
import { LogBook } from "../../unit/node-agent/hosting-rig.ts";
import { redisCommand } from "./redis-command.ts";
import { untilConnected } from "./until-connected.ts";

/** Of the contract's commands: a busy machine is not what they are about. */
const PATIENT_MS = 10_000;

export interface RedisRig {
  readonly log: LogBook;
  /** From the first test on. */
  server(): RealServer;
  command(name: string, ...args: readonly string[]): Promise<readonly string[]>;
  connected(url?: string, timeoutMs?: number): Promise<RedisConnection>;
  /** What a contract needs to move time and to lose everything. */
  readonly faults: { pass(ms: number): Promise<void>; wipe(): Promise<void> };
}

/** To be called once, at the top of a test file. */
export function redisRig(): RedisRig {
  const log = new LogBook();
  let redis: RealServer | undefined;
  const server = () => {
    if (redis === undefined) throw new Error("Redis runs from the first test on");
    return redis;
  };
  const command = (name: string, ...args: readonly string[]) => redisCommand(server().url, name, ...args);
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.[Symbol.asyncDispose]());
  beforeEach(() => command("FLUSHALL"));
  return {
    log,
    server,
    command,
    async connected(url = server().url, timeoutMs = PATIENT_MS) {
      const connection = new RedisConnection({ url, timeoutMs }, { random: systemRandom, logger: log.logger });
      await untilConnected(connection);
      return connection;
    },
    faults: {
      async pass(ms) {
        for (const key of await command("KEYS", "*")) {
          const [leftMs] = await command("PTTL", key);
          if (Number(leftMs) > 0) await command("PEXPIRE", key, String(Number(leftMs) - ms));
        }
      },
      wipe: async () => void (await command("FLUSHALL")),
    },
  };
}
