/** P14: a shard's runner gets no more memory, and the kernel kills it. */

import { post } from "../../cluster/completion-client.ts";
import { shardRunners } from "../../support/cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { GIVEN_UP, GIVING_UP } from "../given-up.ts";
import { killVerdict } from "../kill-verdict.ts";
import { oneOf } from "../one-of.ts";
import type { Row } from "../row.ts";
import { streamsOverTwo } from "../streams-over-two.ts";
import { TightMemory } from "../tight-memory.ts";
import { untilHolds } from "../until-holds.ts";

const MORE_BYTES = 256 * 1024;
const GAP_MS_MAX = 1_500;
/** Prompts as long as these need more memory. */
const PROMPT = "once upon a time ".repeat(60);

export const outOfMemory: Row = {
  promise: "P14",
  name: "oom-runner-streams",
  about:
    "the runner of one of two replicas gets no more memory in its cgroup and is killed by the kernel under eight streams: they go on elsewhere",
  protection: GIVEN_UP,
  mutations: [GIVING_UP],
  run: async (run) => {
    let killed = 0;
    const report = await streamsOverTwo(run, {}, async (cluster, random) => {
      const runners = [...cluster.agents.values()].flatMap(({ child }) => shardRunners(child.pid));
      const memory = new TightMemory(oneOf(runners, random), MORE_BYTES);
      const longer = post(cluster.url, "/v1/completions", { model: LANGUAGE, prompt: PROMPT, max_tokens: 1 });
      await untilHolds(async () => memory.killed > 0);
      ({ killed } = memory);
      await longer.then((answer) => answer.arrayBuffer());
      await untilHolds(async () => isOver(memory));
    });
    const verdict = killVerdict(1, report, GAP_MS_MAX);
    return { ...verdict, holds: verdict.holds && killed === 1, figures: { ...verdict.figures, oom_kills: killed } };
  },
};

/** The kernel takes a moment to let go of the dead. */
function isOver(memory: TightMemory): boolean {
  try {
    memory[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}
