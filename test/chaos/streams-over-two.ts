/** Eight streams over two replicas, one on each of two nodes, and one fault among them: without protection nothing goes on elsewhere. */
import { systemClock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { ChaosCluster, type ChaosOptions } from "./chaos-cluster.ts";
import { LANGUAGE } from "./chaos-models.ts";
import { type KillReport, killedStreams } from "./killed-streams.ts";
import type { RowRun } from "./row.ts";

export const MOVING = "--migration-limit 0";

/** @param fault resolves when it is over */
export async function streamsOverTwo(
  run: RowRun,
  options: Pick<ChaosOptions, "proxied" | "agentFlags">,
  fault: (cluster: ChaosCluster, random: Random) => Promise<void>,
): Promise<KillReport> {
  const gatewayFlags = run.protected ? [] : MOVING.split(" ");
  await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 2, gatewayFlags, ...options });
  return await killedStreams({
    url: cluster.url,
    model: LANGUAGE,
    clock: systemClock,
    streams: 8,
    tokens: 150,
    kills: 1,
    seed: run.seed,
    kill: (random) => fault(cluster, random),
  });
}
