/** The NATS and the Redis of a benchmark's own, on free ports of the loopback address; or those that NATS_URL and REDIS_URL name where there is no program. */
import { once } from "node:events";
import { createServer } from "node:net";
import { fetchServers, findProgram } from "../../cli/setup/servers.mjs";
import { ServingError } from "../../core/errors.ts";
import type { BenchContext } from "../context.ts";
import { startServer } from "../program.ts";

export interface BackingServer extends AsyncDisposable {
  readonly url: string;
  /** Its own process; none when somebody else runs it. */
  readonly pids: readonly number[];
}

interface ServerKind {
  readonly program: string;
  readonly scheme: string;
  readonly urlVariable: string;
  readonly ready: RegExp;
  args(port: number): readonly string[];
}

const NATS: ServerKind = {
  program: "nats-server",
  scheme: "nats",
  urlVariable: "NATS_URL",
  ready: /Server is ready/,
  args: (port) => ["--addr", "127.0.0.1", "--port", String(port)],
};
const REDIS: ServerKind = {
  program: "redis-server",
  scheme: "redis",
  urlVariable: "REDIS_URL",
  ready: /Ready to accept connections/,
  args: (port) => ["--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no"],
};
const START_LIMIT_MS = 10_000;

/** @param cores as taskset's -c; undefined: any. @throws ServingError when there is neither a program nor a URL */
export const startNats = (context: BenchContext, cores?: string): Promise<BackingServer> => start(context, NATS, cores);
/** Keeps nothing on disk; else as `startNats`. */
export const startRedis = (context: BenchContext, cores?: string): Promise<BackingServer> => start(context, REDIS, cores);

async function start({ say, signal }: BenchContext, kind: ServerKind, cores: string | undefined): Promise<BackingServer> {
  const why = await fetchServers((what) => {
    say(what);
    return say;
  });
  const file = findProgram(kind.program);
  if (file === undefined) return named(kind, why);
  const port = await freePort();
  const { program } = await startServer(file, kind.args(port), kind.ready, { cores, signal, limitMs: START_LIMIT_MS });
  const url = `${kind.scheme}://127.0.0.1:${port}`;
  return { url, pids: [program.pid], [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

/** The one that a variable names. */
function named({ program, urlVariable }: ServerKind, why = ""): BackingServer {
  const url = process.env[urlVariable];
  if (url === undefined)
    throw new ServingError("FAILED_PRECONDITION", `this needs ${program}: put it on the PATH, or set ${urlVariable}; ${why}`);
  return { url, pids: [], [Symbol.asyncDispose]: async () => {} };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return address === null || typeof address === "string" ? 0 : address.port;
}
