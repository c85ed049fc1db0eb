/** Servers of small models on one core, ours and Triton's, and the load generator on another. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { HttpClient } from "../../client/http/http-client.ts";
import type { BenchContext } from "../context.ts";
import { cpuMicroseconds, familyOf } from "../processes.ts";
import { type Program, runTool, startServer } from "../program.ts";

export interface SmallServer extends AsyncDisposable {
  readonly http: string;
  readonly grpc: string;
  /** Of the process that clients talk to. */
  readonly pid: number;
}

const SERVER_CORE = "0";
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
  const args = ["-c", SERVER_CORE, process.execPath, MAIN, "up", ...flags, ...ports, ...flagsBeside];
  const { program } = await startServer("taskset", args, /Ctrl-C/, { signal: context.signal, limitMs: START_LIMIT_MS });
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
  const args = ["-c", SERVER_CORE, process.execPath, ECHO];
  const { program } = await startServer("taskset", args, /Ctrl-C/, { signal: context.signal, limitMs: START_LIMIT_MS });
  return { ...addressesOf(program), [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

export async function startTheirs(context: BenchContext, repositoryFolder: string): Promise<SmallServer> {
  const triton = await context.triton();
  const { program, httpAddress, grpcAddress } = await triton.start({ repositoryFolder, cores: SERVER_CORE }, context.signal);
  return { http: httpAddress, grpc: grpcAddress, pid: program.pid, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

function addressesOf(program: Program): Pick<SmallServer, "http" | "grpc" | "pid"> {
  const address = (label: RegExp): string => label.exec(program.output)?.[1] ?? "";
  return { http: address(/HTTP +http:\/\/(\S+)/), grpc: address(/gRPC +(\S+)/), pid: program.pid };
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
  readonly p99Ms: number;
  /** Microseconds on a core for each request: of the process that clients talk to, and of all others that it has started. */
  readonly frontUs: number;
  readonly restUs: number;
}

/** Requests that are measured; and those of a new server that are not, because code is still compiled in them. */
const MEASURED = 4_000;
const UNMEASURED = 12_000;

/** Until the server's code is compiled. */
export async function warmUp(server: SmallServer, load: LoadShape, signal: AbortSignal): Promise<void> {
  await loadOnce(server, load, signal, UNMEASURED);
}

/** `nereid bench` on a core of its own. */
export async function loadOnce(
  server: SmallServer,
  { protocol, model, concurrency, shape }: LoadShape,
  signal: AbortSignal,
  requestCount = MEASURED,
): Promise<LoadResult> {
  const folder = await mkdtemp(path.join(tmpdir(), "nereid-bench-load-"));
  await using client = new HttpClient(server.http);
  const answered = async () =>
    (await client.statistics(model)).reduce((sum, { inferenceStats }) => sum + Number(inferenceStats.success.count), 0);
  try {
    const json = path.join(folder, "figures.json");
    const flags = ["-m", model, "-i", protocol, "-u", server[protocol], "--concurrency-range", String(concurrency), "--json", json];
    const windows = ["--request-count", String(requestCount), "-r", "1"];
    const args = [
      "-c",
      LOAD_CORE,
      process.execPath,
      MAIN,
      "bench",
      ...flags,
      ...windows,
      ...(shape === undefined ? [] : ["--shape", shape]),
    ];
    const before = { cpu: cpuOf(server.pid), requests: await answered() };
    await runTool("taskset", args, { signal, limitMs: LOAD_LIMIT_MS });
    const [cpu, requests] = [cpuOf(server.pid), (await answered()) - before.requests];
    const [level]: readonly LevelFigures[] = JSON.parse(await readFile(json, "utf8")).levels;
    return {
      perSecond: level?.infer_per_sec ?? Number.NaN,
      p99Ms: level?.latency_ms.p99 ?? Number.NaN,
      frontUs: (cpu.front - before.cpu.front) / requests,
      restUs: (cpu.rest - before.cpu.rest) / requests,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What we read of `nereid bench --json`. */
interface LevelFigures {
  readonly infer_per_sec: number;
  readonly latency_ms: { readonly p99: number };
}

function cpuOf(pid: number): { readonly front: number; readonly rest: number } {
  const [front = pid, ...rest] = familyOf(pid);
  return { front: cpuMicroseconds(front), rest: rest.reduce((sum, one) => sum + cpuMicroseconds(one), 0) };
}
