/** P1: kill -9 of an agent with its runners, again and again, while streams run; each comes back at once. */
import { systemClock } from "../../../core/clock.ts";
import { ended, isReady, MODEL, ProcessCluster } from "../../support/process-cluster.ts";
import { killVerdict } from "../kill-verdict.ts";
import { killedStreams } from "../killed-streams.ts";
import { oneOf } from "../one-of.ts";
import type { Row } from "../row.ts";
import { servingNodes } from "../serving-nodes.ts";
import { untilHolds } from "../until-holds.ts";

const KILLS = 3;

export const killedAgents: Row = {
  promise: "P01",
  name: "kill9-agent-streams",
  about: "kill -9 of agents of a model in two stages while eight streams run: no token is lost, doubled or another one",
  protection: "--migration-limit 0",
  run: async ({ seed, cache, environment, protected: guarded }) => {
    await using cluster = await ProcessCluster.start({ cache, environment: () => environment });
    const url = await cluster.gateway(...(guarded ? [] : ["--migration-limit", "0"])).url;
    const agents = new Map(["node-1", "node-2"].map((node) => [node, cluster.agent(node)]));
    await untilHolds(() => isReady(url));
    const report = await killedStreams({
      url,
      model: MODEL,
      clock: systemClock,
      streams: 8,
      tokens: 80,
      kills: KILLS,
      seed,
      kill: async (random) => {
        const node = oneOf(await servingNodes(url), random);
        const agent = agents.get(node);
        if (agent !== undefined) await ended(agent, "SIGKILL");
        await untilHolds(async () => !(await isReady(url)));
        agents.set(node, cluster.agent(node));
        await untilHolds(() => isReady(url));
      },
    });
    return killVerdict(KILLS, report);
  },
};
