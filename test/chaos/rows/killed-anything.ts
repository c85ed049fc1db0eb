/** P1, P3: kill -9 of agents, runners and gateways, one after the other without a pause, while streams run over all of them. */
import { systemClock } from "../../../core/clock.ts";
import { type Random, seededRandom } from "../../../core/random.ts";
import { shardRunners } from "../../support/cluster.ts";
import { ended } from "../../support/process-cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { type EndlessStreams, endlessStreams } from "../endless-streams.ts";
import { percentile } from "../load.ts";
import { oneOf } from "../one-of.ts";
import { passing } from "../passing.ts";
import type { Row } from "../row.ts";
import { untilHolds } from "../until-holds.ts";

const KILLS = 6;
const [NODES, GATEWAYS] = [2, 2];
const [CLIENTS, TOKENS] = [4, 60];
const GAP_MS_P50_MAX = 600;
const GAP_MS_P99_MAX = 1_500;
/** A replica is ready a canary after its runner is there, which nobody is told: until then there is no spare. */
const CANARY_MS = 1_000;
const REPORT_EVERY = 20;

/** In this order a gateway dies while a replica is still on its way back. */
const VICTIMS = ["agent", "gateway", "runner"] as const;
type Victim = (typeof VICTIMS)[number];

export const killedAnything: Row = {
  promise: "P01",
  name: "kill9-anything",
  about: `kill -9 of agents, runners and gateways in turn under ${CLIENTS} resumable streams over two replicas and two gateways: no token is lost, doubled or another one`,
  protection: "--migration-limit 0, and streams that are not resumable",
  run: async (run) => {
    const { kills = KILLS } = run;
    const random = seededRandom(run.seed);
    const gatewayFlags = run.protected ? [] : ["--migration-limit", "0"];
    await using cluster = await ChaosCluster.start(run, { nodes: NODES, gateways: GATEWAYS, replicas: NODES, redis: "", gatewayFlags });
    let asked = 0;
    const where = () => cluster.open[asked++ % cluster.open.length] ?? "";
    const options = { clients: CLIENTS, tokens: TOKENS, where, clock: systemClock, model: LANGUAGE };
    const streams = await endlessStreams({ ...options, resumeAt: run.protected ? where : undefined });
    const killed: Record<Victim, number> = { agent: 0, gateway: 0, runner: 0 };
    const gapsMs: number[] = [];
    for (let kill = 0; kill < kills; kill++) {
      const victim = VICTIMS[kill % VICTIMS.length] ?? "agent";
      await SPARE[victim](cluster);
      await flowing(streams);
      const atMs = systemClock.now();
      await KILL[victim](cluster, random);
      killed[victim] += 1;
      await flowing(streams);
      gapsMs.push(longestSince(streams, atMs));
      if ((kill + 1) % REPORT_EVERY === 0) process.stderr.write(`  ${kill + 1} of ${kills} kills\n`);
    }
    const { streams: count, tokens, lost, more, other, errors } = await streams.end();
    const sorted = gapsMs.toSorted((a, b) => a - b);
    const [p50, p99, max] = [0.5, 0.99, 1].map((share) => percentile(sorted, share));
    return {
      holds: lost + more + other + errors.length === 0,
      inTime: (p50 ?? 0) <= GAP_MS_P50_MAX && (p99 ?? 0) <= GAP_MS_P99_MAX,
      figures: {
        n: Object.entries(killed)
          .map(([name, times]) => `${times}_${name}s`)
          .join("+"),
        streams: count,
        tokens,
        lost,
        dup: more,
        diff: other,
        failed: errors.length,
        gap_ms: `p50=${p50},p99=${p99},max=${max}`,
        limit: `0,p50=${GAP_MS_P50_MAX},p99=${GAP_MS_P99_MAX}`,
      },
      errors,
    };
  },
};

const KILL: Record<Victim, (cluster: ChaosCluster, random: Random) => Promise<void>> = {
  agent: async (cluster, random) => {
    const node = oneOf([...cluster.agents.keys()], random);
    await ended(cluster.agent(node), "SIGKILL");
    cluster.startAgent(node);
  },
  runner: async (cluster, random) => {
    const pids = [...cluster.agents.values()].flatMap(({ child }) => shardRunners(child.pid));
    process.kill(oneOf(pids, random), "SIGKILL");
  },
  gateway: async (cluster, random) => {
    const index = Math.floor(random.next() * GATEWAYS);
    const gateway = cluster.gateways[index];
    if (gateway === undefined) throw new Error(`there is no gateway ${index}`);
    await ended(gateway.process, "SIGKILL");
    cluster.startGateway(index);
  },
};

/** Resolves when another one is there for what is to be killed. */
const SPARE: Record<Victim, (cluster: ChaosCluster) => Promise<void>> = {
  agent: replicas,
  runner: replicas,
  gateway: (cluster) => untilHolds(async () => cluster.open.length === GATEWAYS),
};

async function replicas(cluster: ChaosCluster): Promise<void> {
  await untilHolds(async () => [...cluster.agents.values()].every(({ child }) => shardRunners(child.pid).length > 0));
  await cluster.ready();
  await passing(CANARY_MS);
}

/** Every client has got tokens from now on. */
async function flowing({ arrivals }: EndlessStreams): Promise<void> {
  const before = arrivals.map(({ length }) => length);
  await untilHolds(async () => arrivals.every(({ length }, client) => length > (before[client] ?? 0) + 1));
}

/** The longest silence within any stream that has ended since then. */
function longestSince({ arrivals }: EndlessStreams, sinceMs: number): number {
  const since = arrivals.flatMap((tokens) => tokens.slice(tokens.findLastIndex(({ atMs }) => atMs <= sinceMs) + 1));
  return Math.max(0, ...since.map(({ afterMs }) => afterMs));
}
