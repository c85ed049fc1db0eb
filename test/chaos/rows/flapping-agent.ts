/** P22: an agent stands still every other two seconds, for a minute; `--kills 75` makes that five. */
import { shardRunners } from "../../support/cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { freeze } from "../freeze.ts";
import { offerLoad } from "../offered-load.ts";
import { passing } from "../passing.ts";
import { askLanguage, askStateless } from "../questions.ts";
import type { Row } from "../row.ts";

const FLAPS = 15;
const HALF_MS = 2_000;
const [SMALL_PER_SECOND, LARGE_PER_SECOND] = [20, 1];
/** Ten in five minutes. */
const FLAPS_A_CHANGE = 7.5;
const GOODPUT_MIN = 0.8;
const LOOK_MS = 100;

export const flappingAgent: Row = {
  promise: "P22",
  name: "flapping-agent",
  about: `SIGSTOP and SIGCONT of an agent every ${HALF_MS / 1_000} s, ${FLAPS} times, under requests over two replicas: they are answered, nearly nothing is placed anew`,
  protection: "a silence of 0.7 s moves replicas",
  mutations: [{ file: "gateway/control/fleet.ts", find: "const NODE_SILENCE_MS = 3_000;", replace: "const NODE_SILENCE_MS = 700;" }],
  run: async (run) => {
    const { kills: flaps = FLAPS } = run;
    await using cluster = await ChaosCluster.start(run, { nodes: 3, replicas: 2, copies: 2 });
    const where = () => cluster.url;
    const loads = [offerLoad(SMALL_PER_SECOND, askStateless(where)), offerLoad(LARGE_PER_SECOND, await askLanguage(where))];
    const [agent] = [...cluster.agents.values()].filter(({ child }) => shardRunners(child.pid).length > 0);
    if (agent === undefined) throw new Error("no agent has a stage");
    const runners = () => [...cluster.agents.values()].flatMap(({ child }) => shardRunners(child.pid));
    const seen = new Set(runners());
    const before = seen.size;
    const looking = async () => {
      for (let ms = 0; ms < HALF_MS; ms += LOOK_MS) {
        await passing(LOOK_MS);
        for (const pid of runners()) seen.add(pid);
      }
    };
    for (let flap = 0; flap < flaps; flap++) {
      const wake = freeze(agent);
      await looking();
      wake();
      await looking();
    }
    const reports = await Promise.all(loads.map((end) => end()));
    const changes = seen.size - before; // runners that were given a stage
    const changesMax = Math.floor(flaps / FLAPS_A_CHANGE);
    const [offered, answered] = [reports.reduce((sum, one) => sum + one.offered, 0), reports.reduce((sum, one) => sum + one.answered, 0)];
    return {
      holds: changes <= changesMax && answered >= GOODPUT_MIN * offered,
      figures: {
        n: flaps,
        placed_anew: changes,
        changes_limit: changesMax,
        requests: offered,
        goodput: (answered / offered).toFixed(3),
        goodput_min: GOODPUT_MIN,
      },
      errors: reports.flatMap(({ errors }) => errors),
    };
  },
};
