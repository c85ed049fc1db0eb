/** P1: kill -9 of a stage's runner, again and again, while streams run. */
import { systemClock } from "../../../core/clock.ts";
import { startRealCluster } from "../../support/cluster.ts";
import { isReady, MODEL } from "../../support/process-cluster.ts";
import { GIVEN_UP, GIVEN_UP_FLAGS, GIVING_UP } from "../given-up.ts";
import { killVerdict } from "../kill-verdict.ts";
import { killedStreams } from "../killed-streams.ts";
import { oneOf } from "../one-of.ts";
import type { Row } from "../row.ts";
import { untilHolds } from "../until-holds.ts";

const KILLS = 4;

export const killedRunners: Row = {
  promise: "P01",
  name: "kill9-runner-streams",
  about: "kill -9 of runners of both stages while eight streams run: no token is lost, doubled or another one",
  protection: GIVEN_UP,
  mutations: [GIVING_UP],
  run: async ({ seed, cache, environment, protected: guarded }) => {
    await using cluster = await startRealCluster(cache, { environment, flags: guarded ? {} : GIVEN_UP_FLAGS });
    const report = await killedStreams({
      url: cluster.url,
      model: MODEL,
      clock: systemClock,
      streams: 8,
      tokens: 80,
      kills: KILLS,
      seed,
      kill: async (random) => {
        process.kill(oneOf(cluster.runnerPids(), random), "SIGKILL");
        await untilHolds(async () => !(await isReady(cluster.url)));
        await untilHolds(() => isReady(cluster.url));
      },
    });
    return killVerdict(KILLS, report);
  },
};
