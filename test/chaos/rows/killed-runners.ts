/** P1: kill -9 of a stage's runner, again and again, while streams run. */
import { systemClock } from "../../../core/clock.ts";
import { startRealCluster } from "../../support/cluster.ts";
import { isReady, MODEL } from "../../support/process-cluster.ts";
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
  protection: { always: "the lead keeps all ids and builds the caches again: without it there is no replica" },
  run: async ({ seed, cache }) => {
    await using cluster = await startRealCluster(cache);
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
