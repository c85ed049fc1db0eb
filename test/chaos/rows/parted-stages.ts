/** P2: what goes from one stage to the next stops coming through, and nobody closes anything. */
import { systemClock } from "../../../core/clock.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { GIVEN_UP, GIVEN_UP_FLAGS, GIVING_UP } from "../given-up.ts";
import { killVerdict } from "../kill-verdict.ts";
import { killedStreams } from "../killed-streams.ts";
import { passing } from "../passing.ts";
import type { Row } from "../row.ts";

const PARTED_MS = 4_000;
/** From the end of the partition. */
const GAP_MS_MAX = PARTED_MS + 3_000;

export const partedStages: Row = {
  promise: "P02",
  name: "parted-stages-streams",
  about: `nothing passes between the two stages of a model for ${PARTED_MS / 1_000} s, connections stay open: streams pause and go on`,
  protection: `a step of 1 s is one too long; ${GIVEN_UP}`,
  mutations: [
    { file: "node-agent/engines/step-watchdog.ts", find: "const LIMIT_MS_MIN = 10_000;", replace: "const LIMIT_MS_MIN = 1_000;" },
    GIVING_UP,
  ],
  run: async (run) => {
    const gatewayFlags = run.protected ? [] : Object.entries(GIVEN_UP_FLAGS).flat();
    await using cluster = await ChaosCluster.start(run, { nodes: 2, stages: 2, proxied: true, gatewayFlags });
    const silent = { there: { silent: true }, back: { silent: true } };
    const report = await killedStreams({
      url: cluster.url,
      model: LANGUAGE,
      clock: systemClock,
      streams: 8,
      tokens: 100,
      kills: 1,
      seed: run.seed,
      kill: async () => {
        for (const proxy of cluster.proxies.nodes.values()) await proxy.set("stages", silent);
        await passing(PARTED_MS);
        for (const proxy of cluster.proxies.nodes.values()) await proxy.set("stages", {});
      },
    });
    return killVerdict(1, report, GAP_MS_MAX);
  },
};
