/** What the hops between processes cost a request: a small model over HTTP, behind a cluster of processes and behind one process. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BenchContext, BenchPart } from "../context.ts";
import { type Figures, inTurn, type Side } from "../rounds.ts";
import { MODELS, writeModels } from "../small/repositories.ts";
import { type LoadShape, loadOnce, SERVER_CORE, warmUp } from "../small/servers.ts";
import { formatHeader, formatRow, type Row } from "../table.ts";
import { type Cluster, type ClusterShape, idleCpu, startBoth } from "./clusters.ts";
import { addedRow, comparedRow, EMBEDDED } from "./rows.ts";

const UNDER_WAY = [1, 8] as const;

const FRONT = "CPU, gateways and agents";
const REST = "CPU, runner, NATS, Redis";
const BEYOND_IDLE = "CPU of all, beyond idle";
const P50 = "p50";
const P99 = "p99";
const IDLE = "idle CPU of all";

export const HOPS_REQUESTS_PART: BenchPart = {
  name: "requests",
  help: `CPU and latency of a small model's request over HTTP, ${UNDER_WAY.join(" and ")} under way, beside \`nereid up\``,
  run: requests,
};

async function requests(context: BenchContext): Promise<readonly Row[]> {
  context.say(
    `\nrequests: two gateways, three agents, NATS and Redis as processes beside \`nereid up\`, an identity model (ONNX in a process of its own)
  all of a cluster on core ${SERVER_CORE}, the load on another one, to one gateway in each round;
  beyond idle: less what all take in that time with nothing asked`,
  );
  await using stack = new AsyncDisposableStack();
  const clusters = await startBoth(context, await smallModels(stack), stack);
  for (const cluster of clusters) for (const url of cluster.urls) await warmUp(behind(cluster, url), loadOf(UNDER_WAY[1]), context.signal);
  const side = (cluster: Cluster): Side => ({ name: cluster.name, measure: (round) => measure(context, cluster, round) });
  const rows = rowsOf(await inTurn(clusters.map(side), context.rounds, context.say));
  context.say(formatHeader(EMBEDDED));
  for (const row of rows) context.say(formatRow(row));
  return rows;
}

async function smallModels(stack: AsyncDisposableStack): Promise<ClusterShape> {
  const models = stack.use(await writeModels());
  const cache = await mkdtemp(path.join(tmpdir(), "nereid-bench-cache-"));
  stack.defer(() => rm(cache, { recursive: true, force: true }));
  return {
    model: MODELS.identity,
    folderFlags: ["--models", models.ours, "--cache", cache],
    servingFlags: ["--model", "none", "--model-control-mode", "explicit", "--load-model", MODELS.identity],
    cores: SERVER_CORE,
  };
}

const behind = (cluster: Cluster, url: string) => ({ ...cluster, http: url, grpc: "" });

const loadOf = (concurrency: number): LoadShape => ({ protocol: "http", model: MODELS.identity, concurrency, shape: "INPUT0:16" });

async function measure(context: BenchContext, cluster: Cluster, round: number): Promise<ReadonlyMap<string, number>> {
  const url = cluster.urls[round % cluster.urls.length] ?? "";
  const idle = await idleCpu(cluster, context.signal);
  const idleUsMs = idle.front + idle.rest;
  const figures = new Map([[IDLE, idleUsMs]]);
  for (const underWay of UNDER_WAY) {
    const load = await loadOnce(behind(cluster, url), loadOf(underWay), context.signal);
    const { frontUs, restUs, p50Ms, p99Ms } = load;
    const beyondUs = frontUs + restUs - idleUsMs * load.countedMs;
    const measured = { [FRONT]: frontUs, [REST]: restUs, [BEYOND_IDLE]: beyondUs, [P50]: p50Ms, [P99]: p99Ms };
    for (const [name, figure] of Object.entries(measured)) figures.set(nameOf(underWay, name), figure);
  }
  return figures;
}

function rowsOf(collected: ReadonlyMap<string, Figures>): readonly Row[] {
  const loadRows = (underWay: number): readonly Row[] => {
    const row = (name: string, unit: string) => comparedRow(collected, nameOf(underWay, name), { unit });
    const beyond = row(BEYOND_IDLE, "us");
    const added = addedRow(beyond, nameOf(underWay, "CPU added by the hops"));
    return [row(FRONT, "us"), row(REST, "us"), beyond, added, row(P50, "ms"), row(P99, "ms")];
  };
  return [comparedRow(collected, IDLE, { unit: "ms/s" }), ...UNDER_WAY.flatMap(loadRows)];
}

const nameOf = (underWay: number, what: string): string => `${underWay} under way: ${what}`;
