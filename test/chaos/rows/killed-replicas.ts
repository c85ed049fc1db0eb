/** P1 where there is a spare: kill -9 of one of two replicas, its agent or its runner alone, while streams run on both. */
import { systemClock } from "../../../core/clock.ts";
import type { Random } from "../../../core/random.ts";
import { shardRunners } from "../../support/cluster.ts";
import { ended } from "../../support/process-cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { killVerdict } from "../kill-verdict.ts";
import { killedStreams } from "../killed-streams.ts";
import { oneOf } from "../one-of.ts";
import type { Row } from "../row.ts";
import { servingNodes } from "../serving-nodes.ts";

const KILLS = 4;

function killedReplicas(name: string, about: string, kill: (cluster: ChaosCluster, node: string) => Promise<void>): Row {
  return {
    promise: "P01",
    name,
    about: `kill -9 of ${about} one of two replicas while eight streams run on both: they go on at the other one at once`,
    protection: undefined,
    run: async (run) => {
      await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 2 });
      const report = await killedStreams({
        url: cluster.url,
        model: LANGUAGE,
        clock: systemClock,
        streams: 8,
        tokens: 100,
        kills: KILLS,
        seed: run.seed,
        kill: async (random: Random) => {
          await kill(cluster, oneOf(await servingNodes(cluster.url), random));
          await cluster.ready();
        },
      });
      return killVerdict(KILLS, report);
    },
  };
}

export const killedSpareAgents = killedReplicas("kill9-agent-spare", "the agent of", async (cluster, node) => {
  await ended(cluster.agent(node), "SIGKILL");
  cluster.startAgent(node);
});

export const killedSpareRunners = killedReplicas("kill9-runner-spare", "the runner of", async (cluster, node) => {
  for (const pid of shardRunners(cluster.agent(node).child.pid)) process.kill(pid, "SIGKILL");
});
