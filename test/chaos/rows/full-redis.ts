/** P12: the disk to which Redis writes is full, and has room again. */
import { systemClock } from "../../../core/clock.ts";
import { redisCommand } from "../../contract/servers/redis-command.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { startLoad } from "../load.ts";
import { passing } from "../passing.ts";
import { askStateless } from "../questions.ts";
import type { Row } from "../row.ts";
import { startSequences } from "../sequence-clients.ts";
import { SmallDisk } from "../small-disk.ts";
import { untilHolds } from "../until-holds.ts";

const [COUNT, STEPS] = [16, 60];
const ALL = COUNT * STEPS;
const DISK_MIB = 16;
const FULL_MS = 3_000;
const RECOVER_MS_MAX = 5_000;

export const fullRedis: Row = {
  promise: "P12",
  name: "full-redis-disk",
  about: `Redis cannot write for ${FULL_MS / 1_000} s under sequences and requests: steps wait with 503, none is lost or applied twice, nothing else notices`,
  protection: "what Redis answers then ends the sequence",
  mutations: [{ file: "core/store/redis-connection.ts", find: "OOM|MISCONF|", replace: "OOM|" }],
  run: async (run) => {
    using disk = new SmallDisk(DISK_MIB);
    const redis = "enable-protected-configs yes";
    await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 0, copies: 2, redis });
    await moveTo(disk.folder, cluster.redis.url);
    const where = () => cluster.url;
    const load = startLoad(1, askStateless(where));
    const sequences = startSequences(where, { count: COUNT, steps: STEPS });
    await untilHolds(async () => sequences.steps >= ALL / 3);
    disk.fill();
    await passing(FULL_MS);
    const stoppedAt = sequences.steps;
    disk.empty();
    const startMs = systemClock.now();
    await Promise.race([untilHolds(async () => sequences.steps > stoppedAt), sequences.report]);
    const recoverMs = Math.round(systemClock.now() - startMs);
    const { steps, lost, twice, waited, ended } = await sequences.report;
    const { answered, failed, errors } = await load.end();
    const crashed = [...cluster.gateways.map(({ process }) => process), ...cluster.agents.values()].filter(
      ({ child }) => child.exitCode !== null,
    ).length;
    return {
      holds: steps === ALL && lost + twice + ended.length + failed + crashed === 0 && waited > 0,
      inTime: recoverMs <= RECOVER_MS_MAX,
      figures: {
        n: 1,
        steps: `${steps}/${ALL}`,
        lost,
        twice,
        ended: ended.length,
        requests: answered,
        failed,
        crashed,
        limit: 0,
        waits: waited,
        recover_ms: recoverMs,
        recover_limit: RECOVER_MS_MAX,
      },
      errors: [...ended, ...errors],
    };
  },
};

/** From now on Redis writes its append-only file there. */
async function moveTo(folder: string, url: string): Promise<void> {
  for (const [name, value] of [
    ["appendonly", "no"],
    ["dir", folder],
    ["appendonly", "yes"],
  ] as const) {
    await redisCommand(url, "CONFIG", "SET", name, value);
  }
}
