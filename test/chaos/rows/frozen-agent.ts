/** P2: a machine hangs while streams run on it, and wakes up when they have gone elsewhere. */
import { systemClock } from "../../../core/clock.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { freeze } from "../freeze.ts";
import { killVerdict } from "../kill-verdict.ts";
import { killedStreams } from "../killed-streams.ts";
import { oneOf } from "../one-of.ts";
import type { Row } from "../row.ts";
import { servingNodes } from "../serving-nodes.ts";
import { untilHolds } from "../until-holds.ts";

const GAP_MS_MAX = 3_000;

export const frozenAgent: Row = {
  promise: "P02",
  name: "sigstop-agent-streams",
  about: "SIGSTOP of an agent and its runners under eight streams over two replicas, SIGCONT when they have moved: no late token arrives",
  protection: "--migration-limit 0",
  run: async (run) => {
    const gatewayFlags = run.protected ? [] : ["--migration-limit", "0"];
    await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 2, gatewayFlags });
    const { url } = cluster;
    const report = await killedStreams({
      url,
      model: LANGUAGE,
      clock: systemClock,
      streams: 8,
      tokens: 150,
      kills: 1,
      seed: run.seed,
      kill: async (random) => {
        const node = oneOf(await servingNodes(cluster.url), random);
        const wake = freeze(cluster.agent(node));
        await untilHolds(async () => !(await servingNodes(url)).includes(node));
        wake();
      },
    });
    return killVerdict(1, report, GAP_MS_MAX);
  },
};
