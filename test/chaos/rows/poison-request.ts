/** P15: requests that abort the native runtime, among requests that share batches with them. */
import { ended } from "../../support/process-cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { startLoad } from "../load.ts";
import { askFragile, askStateless, remainderOnce } from "../questions.ts";
import type { Row } from "../row.ts";

const POISONS = 5;
/** For each. */
const DEATHS_MAX = 2;
const AGAIN = 4;
/** Divided by -1 it fits no INT32. */
const OVERFLOWS = -(2 ** 31);
/** As agents log it, once for each process. */
const DIED = /an instance died and is started again/g;

export const poisonRequest: Row = {
  promise: "P15",
  name: "poison-requests",
  about: `${POISONS} requests divide -2^31 by -1 in batches with others, which ends the process, and are sent ${AGAIN} times more: others notice nothing`,
  protection: "a batch that crashed runs again as it was, and no request is remembered",
  mutations: [
    {
      file: "node-agent/engines/batch/batch-engine.ts",
      find: "this.#formed.unshift(...oneByOne(batch, deaths));",
      replace: "this.#formed.unshift({ ...batch, deaths });",
    },
    { file: "gateway/serving/poison-requests.ts", find: "this.#convictedMs.set(key, nowMs);", replace: "" },
  ],
  run: async (run) => {
    await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 0, copies: 2, fragile: 2 });
    const where = () => cluster.url;
    const loads = [startLoad(8, askFragile(where)), startLoad(1, askStateless(where))];
    const answers: (readonly [status: number, text: string])[] = [];
    const send = async (beside: number) => {
      const response = await remainderOnce(cluster.url, [OVERFLOWS, beside], -1);
      answers.push([response.status, await response.text()]);
    };
    const poisons = run.protected ? POISONS : 1; // each costs ten deaths
    for (let poison = 1; poison <= poisons; poison++) {
      await Promise.all(loads.map((load) => load.more(20)));
      await send(poison);
      for (let again = 0; again < AGAIN; again++) await send(poison);
    }
    const reports = await Promise.all(loads.map((load) => load.end()));
    const [answered, failed] = [reports.reduce((sum, one) => sum + one.answered, 0), reports.reduce((sum, one) => sum + one.failed, 0)];
    const logs = await Promise.all([...cluster.agents.values()].map((agent) => ended(agent, "SIGTERM")));
    const deaths = logs.reduce((sum, { stderr }) => sum + (stderr.match(DIED)?.length ?? 0), 0);
    const told = answers.filter(([status]) => status === 500).length;
    const refused = answers.filter(([, text]) => text.includes("it is refused for 10 minutes")).length;
    return {
      holds: deaths > 0 && deaths <= DEATHS_MAX * poisons && told === poisons * (1 + AGAIN) && refused === poisons * AGAIN && failed === 0,
      figures: { n: poisons, deaths, deaths_limit: DEATHS_MAX * poisons, told, refused, requests: answered, failed, limit: 0 },
      errors: [...reports.flatMap(({ errors }) => errors), ...answers.flatMap(([status, text]) => (status === 500 ? [] : [text]))],
    };
  },
};
