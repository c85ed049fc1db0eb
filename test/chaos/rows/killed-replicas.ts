/** P1 where there is a spare: kill -9 of what runs a stream, its agent or its runner alone, while another replica is ready. */
import { cpuMicroseconds } from "../../../bench/processes.ts";
import { systemClock } from "../../../core/clock.ts";
import { WITHOUT_END } from "../../cluster/completion-client.ts";
import { shardRunners } from "../../support/cluster.ts";
import { ended } from "../../support/process-cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { passing } from "../passing.ts";
import type { Row, RowRun, Verdict } from "../row.ts";
import { untilHolds } from "../until-holds.ts";
import { difference, longestGapMs, watchedStream } from "../watched-stream.ts";

const KILLS = 10;
/** So few that computing them again, which is no part of the promise, is no part of the pause either. */
const EMITTED = 10;
const GAP_MS_P50_MAX = 600;
const GAP_MS_P99_MAX = 1_500;
/** A replica is ready a canary after its runner is there, which nobody is told: until then there is no spare. */
const CANARY_MS = 1_500;
const REPORT_EVERY = 20;

type Kill = (cluster: ChaosCluster, victim: Victim) => Promise<void>;

interface Victim {
  readonly node: string;
  readonly pid: number;
  readonly cpuUs: number;
}

function killedReplicas(name: string, about: string, kill: Kill): Row {
  return {
    promise: "P01",
    name,
    about: `kill -9 of ${about} a stream while another replica is ready: the stream goes on there`,
    protection: "--migration-limit 0",
    run: (run) => killedOneByOne(run, kill),
  };
}

async function killedOneByOne(run: RowRun, kill: Kill): Promise<Verdict> {
  const { kills = KILLS } = run;
  const gatewayFlags = run.protected ? [] : ["--migration-limit", "0"];
  await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 2, gatewayFlags });
  const at = { url: cluster.url, model: LANGUAGE, clock: systemClock };
  const fields = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: EMITTED + 10 };
  const wanted = await watchedStream(at, fields);
  const sum = { lost: 0, more: 0, other: 0, failed: 0 };
  const gapsMs: number[] = [];
  while (gapsMs.length < kills) {
    const before = runnersOf(cluster);
    let killing: Promise<void> | undefined;
    const seen = await watchedStream(at, fields, (count) => {
      if (count === EMITTED) killing = kill(cluster, busiest(before));
    });
    await killing;
    const one = difference(wanted, seen);
    for (const key of ["lost", "more", "other", "failed"] as const) sum[key] += one[key];
    gapsMs.push(longestGapMs(seen));
    if (gapsMs.length % REPORT_EVERY === 0) process.stderr.write(`  ${gapsMs.length} of ${kills} kills\n`);
    await untilHolds(async () => runnersOf(cluster).length === 2);
    await cluster.ready();
    await passing(CANARY_MS);
  }
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(gapsMs, share));
  const { lost, more, other, failed } = sum;
  return {
    holds: lost + more + other + failed === 0 && (p50 ?? 0) <= GAP_MS_P50_MAX && (p99 ?? 0) <= GAP_MS_P99_MAX,
    figures: {
      n: kills,
      lost,
      dup: more,
      diff: other,
      failed,
      gap_ms: `p50=${p50},p99=${p99},max=${max}`,
      limit: `0,p50=${GAP_MS_P50_MAX},p99=${GAP_MS_P99_MAX}`,
    },
  };
}

function runnersOf(cluster: ChaosCluster): readonly Victim[] {
  return [...cluster.agents].flatMap(([node, { child }]) =>
    shardRunners(child.pid).map((pid) => ({ node, pid, cpuUs: cpuMicroseconds(pid) })),
  );
}

/** Whose runner has computed most since. */
function busiest(before: readonly Victim[]): Victim {
  const [most] = before.toSorted((a, b) => cpuMicroseconds(b.pid) - b.cpuUs - (cpuMicroseconds(a.pid) - a.cpuUs));
  if (most === undefined) throw new Error("there is no runner to kill");
  return most;
}

/** Nearest rank, in whole milliseconds. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0);
}

export const killedSpareAgents = killedReplicas("kill9-agent-spare", "the agent that runs", async (cluster, { node }) => {
  await ended(cluster.agent(node), "SIGKILL");
  cluster.startAgent(node);
});

export const killedSpareRunners = killedReplicas("kill9-runner-spare", "the runner of", async (_, { pid }) => {
  process.kill(pid, "SIGKILL");
});
