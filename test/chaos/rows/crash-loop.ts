/** P14: the process of one model is killed whenever it is there again. */
import { shardRunners } from "../../support/cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { startLoad } from "../load.ts";
import { askLanguage, askStateless } from "../questions.ts";
import type { Row } from "../row.ts";
import { untilHolds } from "../until-holds.ts";

const KILLS = 5;

export const crashLoop: Row = {
  promise: "P14",
  name: "crash-loop",
  about: `the runner of a language model is killed ${KILLS} times as soon as it is there, under load on another model of the node: that one notices nothing`,
  protection: { always: "each model has processes of its own" },
  run: async (run) => {
    await using cluster = await ChaosCluster.start(run, { nodes: 1, replicas: 1, copies: 1 });
    const where = () => cluster.url;
    const language = await askLanguage(where);
    const load = startLoad(1, askStateless(where));
    const dead = new Set<number>();
    for (let kill = 1; kill <= KILLS; kill++) {
      const find = () => shardRunners(cluster.agent("node-1").child.pid).find((pid) => !dead.has(pid));
      await untilHolds(async () => find() !== undefined);
      const pid = find() ?? 0;
      dead.add(pid);
      process.kill(pid, "SIGKILL");
    }
    await untilHolds(async () => (await fetch(`${cluster.url}/v2/models/${LANGUAGE}/ready`)).ok);
    await language(0);
    const { answered, failed, errors } = await load.end();
    return { holds: failed === 0 && answered > 0, figures: { n: KILLS, requests: answered, failed, limit: 0, back: 1 }, errors };
  },
};
