/** P11: wall clocks of nodes and gateways jump by an hour and by a day, forwards and back, each for itself, and run fast or slow. */
import { systemClock } from "../../../core/clock.ts";
import { seededRandom } from "../../../core/random.ts";
import { ended } from "../../support/process-cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { killVerdict } from "../kill-verdict.ts";
import { killedStreams } from "../killed-streams.ts";
import { startLoad } from "../load.ts";
import { passing } from "../passing.ts";
import { askStateless } from "../questions.ts";
import type { Row } from "../row.ts";
import { startSequences } from "../sequence-clients.ts";
import { type TimedReport, timedRequests } from "../timed-requests.ts";
import { WallClocks } from "../wall-clocks.ts";

const HOUR_MS = 3_600_000;
const JUMPS_MS = [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS];
/** After a jump forwards a clock runs fast, after one back slow. */
const DRIFT = 0.1;
const APART_MS = 500;
const TIMED = 20;
const OFF_SHARE_MAX = 0.05;
/** As gateways log it when they take a node for dead. */
const DEATHS = /taken for dead/g;

export const clockJumps: Row = {
  promise: "P11",
  name: "clock-jumps",
  about: `the wall clock of each node and gateway in turn jumps by an hour and a day, forwards and back, and runs ${DRIFT * 100} % fast or slow, under streams, requests and sequences: nobody is taken for dead, timeouts are as long as ever. The clocks of NATS and Redis stay: libfaketime stops Debian's Redis from starting`,
  protection: "durations are measured on the wall clock",
  mutations: [{ file: "core/clock.ts", find: "now: () => performance.now(),", replace: "now: () => Date.now()," }],
  run: async (run) => {
    using clocks = new WallClocks();
    const environment = (name: string) => clocks.environment(name);
    const models = { nodes: 2, replicas: 2, copies: 2, fragile: 1, redis: "" };
    await using cluster = await ChaosCluster.start(run, { ...models, environment });
    const where = () => cluster.url;
    const load = startLoad(1, askStateless(where));
    const sequences = startSequences(where, { count: 8, steps: 300 });
    let timing: Promise<TimedReport> | undefined;
    const jump = async () => {
      timing = timedRequests(cluster, seededRandom(run.seed), TIMED);
      timing.catch(() => {}); // told when it is waited for
      for (const offMs of JUMPS_MS)
        for (const name of ["gateway-1", ...cluster.agents.keys()]) {
          await passing(APART_MS);
          clocks.set(name, offMs, Math.sign(offMs) * DRIFT);
        }
    };
    const at = { url: cluster.url, model: LANGUAGE, clock: systemClock };
    const report = await killedStreams({ ...at, streams: 4, tokens: 150, kills: 1, seed: run.seed, kill: jump });
    const timed = (await timing) ?? { offShares: [], wrong: ["the clocks have not jumped"], requests: 0 };
    const [steps, small] = [await sequences.report, await load.end()];
    const gateways = await Promise.all(cluster.gateways.map(({ process }) => ended(process, "SIGTERM")));
    const deaths = gateways.reduce((sum, { stderr }) => sum + (stderr.match(DEATHS)?.length ?? 0), 0);
    const offShare = Math.max(...timed.offShares.map(Math.abs));
    const { holds, figures, errors = [] } = killVerdict(1, report);
    const early = timed.offShares.filter((share) => share < -OFF_SHARE_MAX).length; // for that no machine is too slow
    const failed = early + small.failed + steps.lost + steps.twice + steps.ended.length + timed.wrong.length;
    return {
      holds: holds && deaths + failed === 0,
      inTime: offShare <= OFF_SHARE_MAX,
      figures: {
        ...figures,
        jumps: JUMPS_MS.length * (1 + cluster.agents.size),
        false_deaths: deaths,
        requests: small.answered,
        steps: steps.steps,
        others_failed: failed,
        timeouts: timed.requests,
        off: offShare.toFixed(3),
        off_limit: OFF_SHARE_MAX,
      },
      errors: [...errors, ...small.errors, ...steps.ended, ...timed.wrong],
    };
  },
};
