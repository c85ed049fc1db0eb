/** P14: the process of one model is killed whenever it is there again. */
import { shardRunners } from "../../support/cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { startLoad } from "../load.ts";
import { askLanguage, askStateless } from "../questions.ts";
import type { Row } from "../row.ts";
import { holdsWithin } from "../until-holds.ts";

const KILLS = 5;
const BACK_MS_MAX = 20_000;

export const crashLoop: Row = {
  promise: "P14",
  name: "crash-loop",
  about: `the runner of a language model is killed ${KILLS} times as soon as it is there, under load on another model of the node: that one notices nothing`,
  protection: "the models run in their agent's process: what ends one ends it",
  mutations: [
    {
      file: "node-agent/runners/runner-child.ts",
      find: "await this.#options.ended(exit);",
      replace: "if (exit.signal !== undefined) process.kill(process.pid, exit.signal);\nawait this.#options.ended(exit);",
    },
  ],
  run: async (run) => {
    await using cluster = await ChaosCluster.start(run, { nodes: 1, replicas: 1, copies: 1 });
    const where = () => cluster.url;
    const language = await askLanguage(where);
    const load = startLoad(1, askStateless(where));
    await load.more(1);
    const dead = new Set<number>();
    const find = () => shardRunners(cluster.agent("node-1").child.pid).find((pid) => !dead.has(pid));
    while (dead.size < KILLS && (await holdsWithin(BACK_MS_MAX, async () => find() !== undefined))) {
      const pid = find() ?? 0;
      dead.add(pid);
      process.kill(pid, "SIGKILL");
    }
    const isBack = await holdsWithin(BACK_MS_MAX, async () => (await fetch(`${cluster.url}/v2/models/${LANGUAGE}/ready`)).ok);
    if (isBack) await language(0);
    const { answered, failed, errors } = await load.end();
    return {
      holds: dead.size === KILLS && isBack && failed === 0 && answered > 0,
      figures: { n: `${dead.size}/${KILLS}`, requests: answered, failed, limit: 0, back: Number(isBack) },
      errors,
    };
  },
};
