/** P20: requests whose time is over while they wait, in a whole model's queue and in a language model's, over both protocols. */
import { systemClock } from "../../../core/clock.ts";
import { seededRandom } from "../../../core/random.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { FRAGILE, LANGUAGE } from "../chaos-models.ts";
import { percentile } from "../load.ts";
import type { Row } from "../row.ts";
import { streamRequests } from "../stream-requests.ts";
import { timedGenerations, timedRequests } from "../timed-requests.ts";
import { watchedStream } from "../watched-stream.ts";

const [REQUESTS, GENERATIONS] = [60, 20];
const [SLOTS, TOKENS] = [8, 160];
const OFF_MS_MAX = 50;

export const lateRequests: Row = {
  promise: "P20",
  name: "late-requests",
  about: `${REQUESTS} requests wait for a process that stands still, ${GENERATIONS} for slots, longer than they may: they are told in time, and none is executed later`,
  protection: "what waits for a batch or a slot has no deadline",
  mutations: [
    { file: "node-agent/scheduling/waiting.ts", find: "get dueMs(): number | undefined {", replace: "get dueMs() {\nreturn undefined;" },
    { file: "node-agent/engines/generation-engine.ts", find: "this.#deadlines.await(deadlineMs);", replace: "" },
  ],
  run: async (run) => {
    const random = seededRandom(run.seed);
    await using cluster = await ChaosCluster.start(run, { nodes: 1, replicas: 1, fragile: 1 });
    const before = await executed(cluster.url);
    const small = await timedRequests(cluster, random, REQUESTS);
    const late = (await executed(cluster.url)) - before - 1; // the one that blocked the process
    const at = { url: cluster.url, model: LANGUAGE, clock: systemClock };
    let begun = 0;
    const all = Promise.withResolvers<void>();
    const busy = streamRequests(SLOTS, TOKENS).map((fields) =>
      watchedStream(at, fields, (count) => {
        if (count === 1 && ++begun === SLOTS) all.resolve();
      }),
    );
    await all.promise;
    const large = await timedGenerations(cluster, random, GENERATIONS);
    const cut = (await Promise.all(busy)).flatMap(({ error }) => error ?? []);
    const off = [...small.offMs, ...large.offMs].toSorted((a, b) => a - b);
    const wrong = [...small.wrong, ...large.wrong, ...cut];
    return {
      holds: wrong.length === 0 && late === 0,
      inTime: (off[0] ?? 0) >= -OFF_MS_MAX && (off.at(-1) ?? 0) <= OFF_MS_MAX,
      figures: {
        n: REQUESTS + GENERATIONS,
        wrong: wrong.length,
        executed_late: late,
        limit: 0,
        off_ms: `min=${Math.round(off[0] ?? 0)},p50=${percentile(off, 0.5)},max=${Math.round(off.at(-1) ?? 0)}`,
        off_limit: OFF_MS_MAX,
      },
      errors: wrong,
    };
  },
};

/** Requests of the whole model that were run. */
async function executed(url: string): Promise<number> {
  const stats: { readonly model_stats: readonly { readonly inference_count: number }[] } = JSON.parse(
    await (await fetch(`${url}/v2/models/${FRAGILE}/stats`)).text(),
  );
  return stats.model_stats.reduce((sum, one) => sum + one.inference_count, 0);
}
