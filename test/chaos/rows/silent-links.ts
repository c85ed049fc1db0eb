/** P2: the link between a gateway and an agent goes silent, both ways or one, without being closed; later it is as it was. */
import { killVerdict } from "../kill-verdict.ts";
import type { Weathers } from "../node-proxy.ts";
import { oneOf } from "../one-of.ts";
import { passing } from "../passing.ts";
import type { Row } from "../row.ts";
import { servingNodes } from "../serving-nodes.ts";
import { MOVING, streamsOverTwo } from "../streams-over-two.ts";

const GAP_MS_MAX = 3_000;
const SILENT_MS = 3_000;

const silent = { silent: true };
export const silentLink = row("half-open-link-streams", "both ways", { there: silent, back: silent });
export const oneWayLink = row("one-way-link-streams", "from the agent to the gateway only", { back: silent });

function row(name: string, how: string, weather: Weathers): Row {
  return {
    promise: "P02",
    name,
    about: `the link to an agent is silent for ${SILENT_MS / 1_000} s, ${how}, and stays open: its streams go on elsewhere, nothing late arrives`,
    protection: MOVING,
    run: async (run) => {
      const report = await streamsOverTwo(run, { proxied: true }, async (cluster, random) => {
        const proxy = cluster.proxies.nodes.get(oneOf(await servingNodes(cluster.url), random));
        await proxy?.set("link", weather);
        await passing(SILENT_MS);
        await proxy?.set("link", {});
      });
      return killVerdict(1, report, GAP_MS_MAX);
    },
  };
}
