/**
 * P6, P7: Redis is killed while sequences run, and comes back with what it had, or with what it had some time ago. Then an agent is
 * killed, too: of its sequences there is nothing left but what Redis has.
 */
import { redisCommand } from "../../contract/servers/redis-command.ts";
import { ended } from "../../support/process-cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { startLoad } from "../load.ts";
import { passing } from "../passing.ts";
import { askStateless } from "../questions.ts";
import type { Row } from "../row.ts";
import { startSequences } from "../sequence-clients.ts";
import { untilHolds } from "../until-holds.ts";

const AWAY_MS = 1_000;
const [COUNT, STEPS] = [16, 60];
const ALL = COUNT * STEPS;
/** Of a step that waits for Redis. */
const WAIT_MS_MAX = AWAY_MS + 3_000;

/** Redis writes down no more: what it comes back with after a kill is as of now. */
const forget = (url: string) => redisCommand(url, "CONFIG", "SET", "appendonly", "no");

export const redisRestarted: Row = {
  promise: "P06",
  name: "kill9-redis-sequences",
  about:
    "kill -9 of Redis, back after 1 s, then of an agent, under sequences and requests: no step is lost or applied twice, nothing fails",
  protection: "Redis's append-only file",
  run: async (run) => {
    await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 0, copies: 2, redis: "" });
    if (!run.protected) await forget(cluster.redis.url);
    const where = () => cluster.url;
    const load = startLoad(1, askStateless(where));
    const sequences = startSequences(where, { count: COUNT, steps: STEPS });
    await untilHolds(async () => sequences.steps >= ALL / 3);
    await cluster.redis.kill();
    await passing(AWAY_MS);
    await cluster.redis.start();
    await ended(cluster.agent("node-1"), "SIGKILL");
    const { steps, lost, twice, waited, ended: broken, tookMsMax } = await sequences.report;
    const { answered, failed, errors } = await load.end();
    return {
      holds: steps === ALL && lost + twice + broken.length + failed === 0,
      inTime: tookMsMax <= WAIT_MS_MAX,
      figures: {
        n: 1,
        steps: `${steps}/${ALL}`,
        lost,
        twice,
        ended: broken.length,
        requests: answered,
        failed,
        limit: 0,
        waits: waited,
        wait_ms: tookMsMax,
        wait_limit: WAIT_MS_MAX,
      },
      errors: [...broken, ...errors],
    };
  },
};

export const redisRewound: Row = {
  promise: "P07",
  name: "old-snapshot-sequences",
  about:
    "Redis comes back with what it had a while ago, then an agent is killed: its sequences are told so, none goes on with an old state",
  protection: "nobody compares the step of a state with the step that is meant",
  mutations: [
    {
      file: "node-agent/engines/sequence/sequence-engine.ts",
      find: "if (meant !== undefined && meant !== next) {",
      replace: "if (false) {",
    },
  ],
  run: async (run) => {
    await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 0, copies: 2, redis: "" });
    const sequences = startSequences(() => cluster.url, { count: COUNT, steps: STEPS });
    await untilHolds(async () => sequences.steps >= ALL / 4);
    await forget(cluster.redis.url);
    await untilHolds(async () => sequences.steps >= ALL / 2);
    await cluster.redis.kill();
    await cluster.redis.start();
    await ended(cluster.agent("node-1"), "SIGKILL");
    const { steps, lost, twice, ended: told } = await sequences.report;
    return {
      holds: lost + twice === 0 && told.length > 0,
      figures: { n: COUNT, told: told.length, steps, rewound: lost, twice, limit: 0 },
      errors: [...told.slice(0, 1)],
    };
  },
};
