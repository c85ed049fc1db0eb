/** P16: an agent is told to stop while streams run on it. */
import { systemClock } from "../../../core/clock.ts";
import { ended } from "../../support/process-cluster.ts";
import { killVerdict } from "../kill-verdict.ts";
import { oneOf } from "../one-of.ts";
import type { Row } from "../row.ts";
import { servingNodes } from "../serving-nodes.ts";
import { MOVING, streamsOverTwo } from "../streams-over-two.ts";

const EXIT_MS_MAX = 30_000;
const DRAINING = "--drain-ms 0";

export const stoppedAgent: Row = {
  promise: "P16",
  name: "sigterm-agent-streams",
  about: "SIGTERM to an agent under eight streams: they end there or go on elsewhere, it ends with 0 in 30 s",
  protection: `${DRAINING} and ${MOVING}`,
  run: async (run) => {
    const agentFlags = run.protected ? [] : DRAINING.split(" ");
    let [code, exitMs]: [number | null, number] = [null, 0];
    const report = await streamsOverTwo(run, { agentFlags }, async (cluster, random) => {
      const agent = cluster.agent(oneOf(await servingNodes(cluster.url), random));
      const startMs = systemClock.now();
      ({ code } = await ended(agent, "SIGTERM"));
      exitMs = Math.round(systemClock.now() - startMs);
    });
    const { holds, figures, errors = [] } = killVerdict(1, report);
    return {
      holds: holds && code === 0,
      inTime: exitMs <= EXIT_MS_MAX,
      figures: { ...figures, exit: `${code}`, exit_ms: exitMs, exit_limit: EXIT_MS_MAX },
      errors,
    };
  },
};
