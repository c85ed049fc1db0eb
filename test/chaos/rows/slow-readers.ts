/** P9: clients that hardly read, among others. */
import { residentBytes } from "../../../bench/processes.ts";
import { systemClock } from "../../../core/clock.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { percentile, startLoad } from "../load.ts";
import { passing } from "../passing.ts";
import { askLanguage } from "../questions.ts";
import type { Row } from "../row.ts";
import { type SlowClient, slowClient } from "../slow-clients.ts";
import { holdsWithin, untilHolds } from "../until-holds.ts";

const STREAM = "gateway/serving/answer-stream.ts";
/** Besides one that reads a byte a second. */
const STOPPED = 3;
const QUESTIONS = 40;
const AHEAD_MAX = 64;
const MIB = 1024 * 1024;
const SLOWER_MAX = 1.2;
/** From when all stand still. */
const CUT_MS_MAX = 40_000;
/** So long without a token: nothing runs. */
const STILL_MS = 1_500;
/** Of a lead that has nothing to do, now and then. */
const CANARY_STEPS = 4;

export const slowReaders: Row = {
  promise: "P09",
  name: "slow-readers",
  about: `${STOPPED} clients read nothing and one a byte a second of long streams: the generator waits for them, memory stays, others notice little, they are cut`,
  protection: "a frame counts as read as soon as it has come",
  mutations: [
    { file: STREAM, find: "this.#frames.push(payload);", replace: "this.#frames.push(payload);\nthis.#stream.consumed(1);" },
    { file: STREAM, find: "this.#stream.consumed(this.#handedOut);", replace: "" },
  ],
  run: async (run) => {
    await using cluster = await ChaosCluster.start(run, {
      nodes: 1,
      replicas: 1,
      agentFlags: ["--metrics-port", "0"],
      environment: littleGarbage,
    });
    await using slow = new AsyncDisposableStack();
    const ask = await askLanguage(() => cluster.url);
    const asked = async () => {
      const load = startLoad(1, ask);
      await load.more(QUESTIONS);
      return await load.end();
    };
    const calm = await asked();
    const port = await cluster.grpcPort();
    const begun = await counts(cluster);
    const clients: SlowClient[] = [slow.use(await slowClient(port, { reads: "nothing" }))];
    const stood = await standing(cluster);
    const ahead = stood.steps - begun.steps - (stood.tokens - begun.tokens);
    const gateway = cluster.gateways[0]?.process.child.pid ?? 0;
    const before = residentBytes(gateway);
    while (clients.length < STOPPED) clients.push(slow.use(await slowClient(port, { reads: "nothing" })));
    clients.push(slow.use(await slowClient(port, { reads: "a byte a second" })));
    await standing(cluster);
    const grownMib = Math.max(0, residentBytes(gateway) - before) / MIB / STOPPED;
    const stoodMs = systemClock.now();
    const beside = await asked();
    const areCut = await holdsWithin(CUT_MS_MAX, async () => clients.every(({ isCut }) => isCut));
    const cutMs = Math.round(systemClock.now() - stoodMs);
    const slower = percentile(beside.tookMs, 0.99) / Math.max(1, percentile(calm.tookMs, 0.99));
    return {
      holds: calm.failed + beside.failed === 0 && ahead <= AHEAD_MAX && areCut,
      inTime: slower <= SLOWER_MAX && grownMib <= 1,
      figures: {
        n: clients.length,
        requests: beside.answered,
        failed: beside.failed,
        tokens_ahead: ahead,
        ahead_limit: AHEAD_MAX,
        mib_each: grownMib.toFixed(2),
        mib_limit: 1,
        ratio_p99: slower.toFixed(2),
        ratio_limit: SLOWER_MAX,
        cut: clients.filter(({ isCut }) => isCut).length,
        cut_ms: cutMs,
      },
      errors: beside.errors,
    };
  },
};

/** What a process's memory grows by is not what V8 has not collected yet. */
const littleGarbage = () => ({ NODE_OPTIONS: "--max-semi-space-size=1" });

interface Counts {
  /** That the lead has made: of one stream a token each. */
  readonly steps: number;
  /** That the gateway has taken from it. */
  readonly tokens: number;
}

async function counts(cluster: ChaosCluster): Promise<Counts> {
  const agentsUrl = /metrics: (\S+)/.exec(await cluster.agent("node-1").printed("metrics: "))?.[1] ?? "";
  const [agents, gateways] = await Promise.all([fetch(agentsUrl).then((response) => response.text()), cluster.metrics()]);
  return { steps: sum(agents, "nereid_steps_total"), tokens: sum(gateways, "nereid_completion_tokens_total") };
}

function sum(metrics: string, name: string): number {
  const samples = metrics.matchAll(new RegExp(`^${name}\\{[^}]*"${LANGUAGE}"[^}]*\\} (\\d+)`, "gm"));
  return [...samples].reduce((total, [, value]) => total + Number(value), 0);
}

/** Resolves when no token comes any more. */
async function standing(cluster: ChaosCluster): Promise<Counts> {
  let before = await counts(cluster);
  await untilHolds(async () => {
    await passing(STILL_MS);
    const now = await counts(cluster);
    const isStill = now.steps - before.steps <= CANARY_STEPS && now.tokens === before.tokens;
    before = now;
    return isStill;
  });
  return before;
}
