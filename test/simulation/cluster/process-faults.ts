/** Agents and gateways that go, and placement that changes hands. */
import type { FaultKind, FaultTools } from "./fault-kind.ts";

export function processFaults({ cluster, dice }: FaultTools): readonly FaultKind[] {
  const present = () => cluster.agents.filter(({ address }) => address !== "");
  return [
    {
      weight: 2,
      begin: () => {
        const agent = dice.pick(present());
        if (agent === undefined) return undefined;
        const pauseMs = dice.whole(0, 5_000);
        cluster.restartAgent(agent, pauseMs);
        return `${agent.node} goes, back in ${pauseMs} ms`;
      },
    },
    {
      weight: 2,
      begin: () => {
        const agent = dice.pick(present());
        if (agent === undefined || !cluster.loseAgent(agent)) return undefined;
        return `${agent.node} goes for good`;
      },
    },
    {
      weight: 1,
      begin: () => {
        const index = dice.whole(0, cluster.gateways.length - 1);
        cluster.restartGateway(index);
        return `gateway ${index} is another one now`;
      },
    },
    {
      weight: 8,
      begin: () => {
        const agents = present().filter(() => dice.happens(0.7));
        const pauseMs = dice.whole(0, 3_000);
        cluster.losePower(agents, pauseMs);
        return `all gateways and ${agents.length} agents go at once, back in ${pauseMs} ms`;
      },
    },
    {
      weight: 1,
      begin: () => {
        cluster.movePlacement();
        return "placement moves to the next gateway";
      },
    },
  ];
}
