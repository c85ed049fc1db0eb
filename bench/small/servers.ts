/** Servers of small models on one core, ours and Triton's, and the load generator on another. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { HttpClient } from "../../client/http/http-client.ts";
import type { BenchContext } from "../context.ts";
import { cpuOfServer, type ServerProcesses } from "../processes.ts";
import { type Program, runTool, startServer } from "../program.ts";

export interface SmallServer extends ServerProcesses, AsyncDisposable {
  readonly http: string;
  readonly grpc: string;
}

export const SERVER_CORE = "0";
export const LOAD_CORE = "1";
const ECHO = fileURLToPath(new URL("echo-program.ts", import.meta.url));
const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const START_LIMIT_MS = 60_000;
const LOAD_LIMIT_MS = 120_000;

/** `nereid up` with one node, on one core. */
export async function startOurs(
  context: BenchContext,
  repositoryFolder: string,
  flagsBeside: readonly string[] = [],
): Promise<SmallServer> {
  const cache = await mkdtemp(path.join(tmpdir(), "nereid-bench-cache-"));
  const flags = ["--model", "none", "--nodes", "1", "--models", repositoryFolder, "--cache", cache];
  const ports = ["--port", "0", "--grpc-port", "0", "--metrics-port", "0"];
  const args = [MAIN, "up", ...flags, ...ports, ...flagsBeside];
  const options = { cores: SERVER_CORE, signal: context.signal, limitMs: START_LIMIT_MS };
  const { program } = await startServer(process.execPath, args, /Ctrl-C/, options);
  return {
    ...addressesOf(program),
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]();
      await rm(cache, { recursive: true, force: true });
    },
  };
}

/** The doors alone, on one core. */
export async function startEcho(context: BenchContext): Promise<SmallServer> {
  const options = { cores: SERVER_CORE, signal: context.signal, limitMs: START_LIMIT_MS };
  const { program } = await startServer(process.execPath, [ECHO], /Ctrl-C/, options);
  return { ...addressesOf(program), [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

export async function startTheirs(context: BenchContext, repositoryFolder: string): Promise<SmallServer> {
  const triton = await context.triton();
  const { program, httpAddress, grpcAddress } = await triton.start({ repositoryFolder, cores: SERVER_CORE }, context.signal);
  return { http: httpAddress, grpc: grpcAddress, pids: [program.pid], [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

function addressesOf(program: Program): Pick<SmallServer, "http" | "grpc" | "pids"> {
  const address = (label: RegExp): string => label.exec(program.output)?.[1] ?? "";
  return { http: address(/HTTP +http:\/\/(\S+)/), grpc: address(/gRPC +(\S+)/), pids: [program.pid] };
}

export interface LoadShape {
  readonly protocol: "http" | "grpc";
  readonly model: string;
  readonly concurrency: number;
  /** Such as `INPUT0:16`; undefined: the model's own. */
  readonly shape?: string;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Microseconds on a core for each request: of the server's own processes, and of all others. */
  readonly frontUs: number;
  readonly restUs: number;
  /** Wall-clock time in which those were counted, for each request: with the generator's start. */
  readonly countedMs: number;
}

/** Requests that are measured; and those of a new server that are not, because code is still compiled in them. */
/** A level is to take a second at least: in less, a compilation or a pause decides. */
const measuredAt = (concurrency: number): number => 4_000 + 1_000 * concurrency;
const UNMEASURED = 40_000;
const WARM_UP_CONCURRENCY = 8;

/** Until the server's code is compiled. */
export async function warmUp(server: SmallServer, load: LoadShape, signal: AbortSignal, requestCount = UNMEASURED): Promise<void> {
  await loadOnce(server, { ...load, concurrency: WARM_UP_CONCURRENCY }, signal, requestCount);
}

/** `nereid bench` on a core of its own. */
export async function loadOnce(
  server: SmallServer,
  { protocol, model, concurrency, shape }: LoadShape,
  signal: AbortSignal,
  requestCount = measuredAt(concurrency),
): Promise<LoadResult> {
  const folder = await mkdtemp(path.join(tmpdir(), "nereid-bench-load-"));
  await using client = new HttpClient(server.http);
  const answered = async () =>
    (await client.statistics(model)).reduce((sum, { inferenceStats }) => sum + Number(inferenceStats.success.count), 0);
  try {
    const json = path.join(folder, "figures.json");
    const flags = ["-m", model, "-i", protocol, "-u", server[protocol], "--concurrency-range", String(concurrency), "--json", json];
    const windows = ["--request-count", String(requestCount), "--warmup-request-count", "1000", "-r", "1"];
    const args = [MAIN, "bench", ...flags, ...windows, ...(shape === undefined ? [] : ["--shape", shape])];
    const before = { requests: await answered(), cpu: cpuOfServer(server), ms: performance.now() };
    await runTool(process.execPath, args, { cores: LOAD_CORE, signal, limitMs: LOAD_LIMIT_MS });
    const [cpu, ms] = [cpuOfServer(server), performance.now() - before.ms];
    const requests = (await answered()) - before.requests;
    const [level]: readonly LevelFigures[] = JSON.parse(await readFile(json, "utf8")).levels;
    return {
      perSecond: level?.infer_per_sec ?? Number.NaN,
      p50Ms: level?.latency_ms.p50 ?? Number.NaN,
      p99Ms: level?.latency_ms.p99 ?? Number.NaN,
      frontUs: (cpu.front - before.cpu.front) / requests,
      restUs: (cpu.rest - before.cpu.rest) / requests,
      countedMs: ms / requests,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What we read of `nereid bench --json`. */
interface LevelFigures {
  readonly infer_per_sec: number;
  readonly latency_ms: { readonly p50: number; readonly p99: number };
}
