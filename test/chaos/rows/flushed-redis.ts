/** P8: somebody empties Redis under load. */
import { redisCommand } from "../../contract/servers/redis-command.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { startLoad } from "../load.ts";
import { askLanguage, askStateless } from "../questions.ts";
import type { Row } from "../row.ts";
import { startSequences } from "../sequence-clients.ts";
import { holdsWithin, untilHolds } from "../until-holds.ts";

const [COUNT, STEPS] = [8, 40];
const PLACEMENT_MS_MAX = 3_000;
/** What is not back by then does not come back. */
const BACK_MS_MAX = 10_000;

export const flushedRedis: Row = {
  promise: "P08",
  name: "flushall",
  about:
    "FLUSHALL under load over two gateways: stateless requests go on, what is wanted is back, running sequences are told, new ones work",
  protection: "gateways do not put back what is wanted",
  mutations: [{ file: "gateway/control/wanted-watch.ts", find: "await store.restore(before);", replace: "" }],
  run: async (run) => {
    await using cluster = await ChaosCluster.start(run, { nodes: 2, gateways: 2, replicas: 1, copies: 2, redis: "" });
    const urls = await cluster.urls();
    const where = (client: number) => urls[client % urls.length] ?? "";
    const loads = [startLoad(2, askStateless(where)), startLoad(1, await askLanguage(where))];
    const sequences = startSequences(where, { count: COUNT, steps: STEPS });
    await untilHolds(async () => sequences.steps >= (COUNT * STEPS) / 3);
    const entries = async () => (await redisCommand(cluster.redis.url, "KEYS", "nereid:*wanted*")).length;
    const before = await entries();
    await redisCommand(cluster.redis.url, "FLUSHALL");
    const flushedMs = performance.now();
    const isBack = await holdsWithin(BACK_MS_MAX, async () => (await entries()) >= before);
    const backMs = Math.round(performance.now() - flushedMs);
    const told = await sequences.report;
    const anew = await startSequences(where, { count: COUNT, steps: 5, first: 100 }).report;
    const reports = await Promise.all(loads.map((load) => load.end()));
    const [answered, failed] = [reports.reduce((sum, one) => sum + one.answered, 0), reports.reduce((sum, one) => sum + one.failed, 0)];
    const rewound = told.lost + told.twice + anew.lost + anew.twice;
    return {
      holds: failed + rewound + anew.ended.length === 0 && before > 0 && isBack,
      inTime: backMs <= PLACEMENT_MS_MAX,
      figures: {
        n: 1,
        requests: answered,
        failed,
        rewound,
        limit: 0,
        told: `${told.ended.length}/${COUNT}`,
        new_failed: anew.ended.length,
        placement_ms: backMs,
        placement_limit: PLACEMENT_MS_MAX,
      },
      errors: [...reports.flatMap(({ errors }) => errors), ...anew.ended],
    };
  },
};
