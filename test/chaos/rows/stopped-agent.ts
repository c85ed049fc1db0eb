/** P16: an agent is told to stop while streams run on it. */
import { systemClock } from "../../../core/clock.ts";
import { post } from "../../cluster/completion-client.ts";
import { ended } from "../../support/process-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { killVerdict } from "../kill-verdict.ts";
import { oneOf } from "../one-of.ts";
import { passing } from "../passing.ts";
import type { Row } from "../row.ts";
import { servingNodes } from "../serving-nodes.ts";
import { MOVING, streamsOverTwo } from "../streams-over-two.ts";

const EXIT_MS_MAX = 30_000;
/** From then on it gets nothing new. */
const LAST_WORK_MS = 500;
const ASKED = 10;
const DRAINING = "--drain-ms 0";

export const stoppedAgent: Row = {
  promise: "P16",
  name: "sigterm-agent-streams",
  about: `SIGTERM to an agent under eight streams: they end there or go on elsewhere, after ${LAST_WORK_MS} ms nothing new goes there, it ends with 0 in 30 s`,
  protection: `${DRAINING} and ${MOVING}`,
  run: async (run) => {
    const agentFlags = run.protected ? [] : DRAINING.split(" ");
    let [code, exitMs, sentThere]: [number | null, number, number] = [null, 0, 0];
    const report = await streamsOverTwo(run, { agentFlags }, async (cluster, random) => {
      const node = oneOf(await servingNodes(cluster.url), random);
      const startMs = systemClock.now();
      const ending = ended(cluster.agent(node), "SIGTERM");
      await passing(LAST_WORK_MS);
      for (let asked = 0; asked < ASKED; asked++) sentThere += (await nodesChosen(cluster.url)).filter((chosen) => chosen === node).length;
      ({ code } = await ending);
      exitMs = Math.round(systemClock.now() - startMs);
    });
    const { holds, figures, errors = [] } = killVerdict(1, report);
    return {
      holds: holds && code === 0 && sentThere === 0,
      inTime: exitMs <= EXIT_MS_MAX,
      figures: { ...figures, sent_there: `${sentThere}/${ASKED}`, exit: `${code}`, exit_ms: exitMs, exit_limit: EXIT_MS_MAX },
      errors,
    };
  },
};

interface Route {
  readonly picks: readonly { readonly chosen?: { readonly node: string } }[];
}

/** To which a short completion was sent, as the gateway explains it. @throws Error when it is not answered */
async function nodesChosen(url: string): Promise<readonly string[]> {
  const question = { model: LANGUAGE, prompt: "The", max_tokens: 1 };
  const answer = await post(url, "/v1/completions", question, { headers: { "x-nereid-explain": "route" } });
  const route = answer.headers.get("x-nereid-route");
  if (!answer.ok || route === null) throw new Error(`${answer.status} ${await answer.text()}`);
  const { picks }: Route = JSON.parse(route);
  return picks.flatMap(({ chosen }) => chosen?.node ?? []);
}
