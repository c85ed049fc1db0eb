/** P3: kill -9 of the gateway that writes all streams, again and again; the clients come back to the other one. */
import { systemClock } from "../../../core/clock.ts";
import { ended, type GatewayProcess, isReady, MODEL, ProcessCluster } from "../../support/process-cluster.ts";
import { startRedis } from "../../support/real-servers.ts";
import { killVerdict } from "../kill-verdict.ts";
import { killedStreams } from "../killed-streams.ts";
import type { Row } from "../row.ts";
import { untilHolds } from "../until-holds.ts";

const KILLS = 4;

interface Running {
  readonly url: string;
  readonly gateway: GatewayProcess;
}

export const killedGateways: Row = {
  promise: "P03",
  name: "kill9-gateway",
  about: "kill -9 of the gateway of eight resumable streams, whose clients come back to another: no token is lost, doubled or another one",
  protection: "without X-Nereid-Resumable",
  run: async ({ seed, cache, environment, protected: guarded }) => {
    await using redis = await startRedis();
    await using cluster = await ProcessCluster.start({ cache, environment: () => environment });
    const gateway = async (): Promise<Running> => {
      const started = cluster.gateway("--redis-url", redis.url);
      const url = await started.url;
      await untilHolds(() => isReady(url));
      return { url, gateway: started };
    };
    for (const node of ["node-1", "node-2"]) cluster.agent(node);
    let [writes, waits] = await Promise.all([gateway(), gateway()]);
    const report = await killedStreams({
      url: writes.url,
      resumeAt: guarded ? () => writes.url : undefined,
      model: MODEL,
      clock: systemClock,
      streams: 8,
      tokens: 240, // a gateway that starts does not hold up what runs
      kills: KILLS,
      seed,
      kill: async () => {
        const dies = writes.gateway.process;
        writes = waits;
        await ended(dies, "SIGKILL");
        waits = await gateway();
      },
    });
    return killVerdict(KILLS, report);
  },
};
