/**
 * The same cluster twice: as two gateways and three agents in processes of their own, which meet over NATS and Redis, and as one
 * process (`nereid up`) in which they meet in memory. Runners are processes of their own in both.
 */
import { fileURLToPath } from "node:url";
import { HttpClient } from "../../client/http/http-client.ts";
import { deadlineSignal } from "../../core/abort.ts";
import { sleep, systemClock } from "../../core/clock.ts";
import type { BenchContext } from "../context.ts";
import { cpuOfServer, type ServerProcesses } from "../processes.ts";
import { startServer } from "../program.ts";
import { startNats, startRedis } from "./backing-servers.ts";
import { EMBEDDED, PROCESSES } from "./rows.ts";

export interface ClusterShape {
  /** Of everything that touches files. */
  readonly folderFlags: readonly string[];
  /** Of gateways: what is served, and how. */
  readonly servingFlags: readonly string[];
  /** Is ready at every gateway when the start returns. */
  readonly model: string;
  /** As taskset's -c, for all of its processes; undefined: any. */
  readonly cores?: string;
}

/** Its own processes are gateways and agents; NATS and Redis stand behind it. */
export interface Cluster extends ServerProcesses, AsyncDisposable {
  readonly name: typeof PROCESSES | typeof EMBEDDED;
  /** `http://HOST:PORT` of each gateway. */
  readonly urls: readonly string[];
}

const GATEWAYS = 2;
const NODES = 3;
const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const ADDRESS = /HTTP:? +(http:\/\/\S+)/;
const GATEWAY_FLAGS = ["--port", "0", "--grpc-port", "0", "--metrics-port", "0", "--nodes", String(NODES)];
const START_LIMIT_MS = 60_000;
const LOOK_MS = 50;
const IDLE_MS = 3_000;

/** Both, to be measured in turn: the one that is not does nothing. */
export async function startBoth(context: BenchContext, shape: ClusterShape, stack: AsyncDisposableStack): Promise<readonly Cluster[]> {
  return [stack.use(await startProcesses(context, shape)), stack.use(await startEmbedded(context, shape))];
}

async function startProcesses(context: BenchContext, shape: ClusterShape): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const nats = stack.use(await startNats(context, shape.cores));
  const redis = stack.use(await startRedis(context, shape.cores));
  const shared = ["--nats-url", nats.url, "--redis-url", redis.url, ...shape.folderFlags];
  const pids: number[] = [];
  const startOne = async (args: readonly string[], ready: RegExp) => {
    const { program, match } = await startNereid(context, shape, [...args, ...shared], ready);
    pids.push(stack.use(program).pid);
    return match[1] ?? "";
  };
  for (let node = 1; node <= NODES; node++) await startOne(["agent", "--node", `node-${node}`], /NATS: connected/);
  const urls: string[] = [];
  for (let gateway = 0; gateway < GATEWAYS; gateway++)
    urls.push(await startOne(["gateway", ...GATEWAY_FLAGS, ...shape.servingFlags], ADDRESS));
  for (const url of urls) await untilReady(url, shape.model, context.signal);
  const started = stack.move();
  return {
    name: PROCESSES,
    urls,
    pids,
    backing: [...nats.pids, ...redis.pids],
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function startEmbedded(context: BenchContext, shape: ClusterShape): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const args = ["up", ...GATEWAY_FLAGS, ...shape.servingFlags, ...shape.folderFlags];
  const { program, match } = await startNereid(context, shape, args, ADDRESS);
  const { pid } = stack.use(program);
  const url = match[1] ?? "";
  await untilReady(url, shape.model, context.signal);
  const started = stack.move();
  return { name: EMBEDDED, urls: [url], pids: [pid], backing: [], [Symbol.asyncDispose]: () => started.disposeAsync() };
}

function startNereid({ signal }: BenchContext, { cores }: ClusterShape, args: readonly string[], ready: RegExp) {
  return startServer(process.execPath, [MAIN, ...args], ready, { cores, signal, limitMs: START_LIMIT_MS });
}

async function untilReady(url: string, model: string, signal: AbortSignal): Promise<void> {
  using limit = deadlineSignal(systemClock, START_LIMIT_MS, signal);
  await using client = new HttpClient(url);
  while (!(await client.isModelReady(model, { signal: limit.signal }))) await sleep(systemClock, LOOK_MS, limit.signal);
}

/**
 * What it costs to be there, with nothing asked: heartbeats, leases, what is looked at again and again.
 * @returns microseconds on a core for each millisecond: of gateways and agents, and of all others
 */
export async function idleCpu(cluster: Cluster, signal: AbortSignal): Promise<{ readonly front: number; readonly rest: number }> {
  const before = { ...cpuOfServer(cluster), ms: performance.now() };
  await sleep(systemClock, IDLE_MS, signal);
  const { front, rest } = cpuOfServer(cluster);
  const ms = performance.now() - before.ms;
  return { front: (front - before.front) / ms, rest: (rest - before.rest) / ms };
}
