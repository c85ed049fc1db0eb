/** P2: a machine hangs while streams run on it, and wakes up when they have gone elsewhere. */
import { freeze } from "../freeze.ts";
import { killVerdict } from "../kill-verdict.ts";
import { oneOf } from "../one-of.ts";
import type { Row } from "../row.ts";
import { servingNodes } from "../serving-nodes.ts";
import { MOVING, streamsOverTwo } from "../streams-over-two.ts";
import { untilHolds } from "../until-holds.ts";

const GAP_MS_MAX = 3_000;

export const frozenAgent: Row = {
  promise: "P02",
  name: "sigstop-agent-streams",
  about: "SIGSTOP of an agent and its runners under eight streams over two replicas, SIGCONT when they have moved: no late token arrives",
  protection: MOVING,
  run: async (run) => {
    const report = await streamsOverTwo(run, {}, async (cluster, random) => {
      const node = oneOf(await servingNodes(cluster.url), random);
      const wake = freeze(cluster.agent(node));
      await untilHolds(async () => !(await servingNodes(cluster.url)).includes(node));
      wake();
    });
    return killVerdict(1, report, GAP_MS_MAX);
  },
};
