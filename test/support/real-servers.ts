/**
 * A real nats-server or redis-server of the test's own, on a free port of the loopback address and with its data in a scratch
 * folder: to be killed, paused and started again. Programs come from the PATH, or from Debian's packages where we are root; a
 * server that somebody runs for us (NATS_URL, REDIS_URL) is taken where there is no program, and cannot be killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fetchServers, findProgram } from "../../cli/setup/servers.mjs";
import { systemRandom } from "../../core/random.ts";

export interface RealServer extends AsyncDisposable {
  /** `nats://127.0.0.1:PORT` or `redis://127.0.0.1:PORT`; the same after a restart. */
  readonly url: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts a killed server again, on its port and with its data; resolves when it takes connections. */
  start(): Promise<void>;
  /** SIGSTOP: it holds its connections and answers nothing. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
}

interface ServerKind {
  readonly program: string;
  readonly scheme: string;
  readonly urlVariable: string;
  readonly readyLine: string;
  args(port: number, folder: string): readonly string[];
}

/** In the scratch folder. */
const CONFIG = "server.conf";

const NATS: ServerKind = {
  program: "nats-server",
  scheme: "nats",
  urlVariable: "NATS_URL",
  readyLine: "Server is ready",
  args: (port, folder) => ["--addr", "127.0.0.1", "--port", String(port), "--config", path.join(folder, CONFIG)],
};
const REDIS: ServerKind = {
  program: "redis-server",
  scheme: "redis",
  urlVariable: "REDIS_URL",
  readyLine: "Ready to accept connections",
  args: (port, folder) => {
    const flags = ["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", "", "--appendonly", "yes"];
    return [path.join(folder, CONFIG), ...flags];
  },
};

type Environment = Readonly<Record<string, string>>;

/** @param config lines of its configuration file, such as `max_payload: 65536` @param environment variables that they name */
export const startNats = (config = "", environment: Environment = {}): Promise<RealServer> => startServer(NATS, config, environment);
/** Keeps what was written over a kill (appendfsync everysec). @param config lines of its configuration file */
export const startRedis = (config = ""): Promise<RealServer> => startServer(REDIS, config, {});

const PORT_TRIES = 10;

async function startServer(kind: ServerKind, config: string, environment: Environment): Promise<RealServer> {
  const why = findProgram(kind.program) === undefined ? await fetchServers(() => () => {}) : undefined;
  const program = findProgram(kind.program);
  if (program === undefined) return runningServer(kind, why);
  const folder = await mkdtemp(path.join(tmpdir(), `nereid-${kind.scheme}-`));
  await writeFile(path.join(folder, CONFIG), config);
  for (let tries = 1; ; tries++) {
    // Below the ports that the system gives to outgoing connections: one of those must not take it while the server is dead.
    const port = 10_000 + Math.floor(systemRandom.next() * 20_000);
    const server = new OwnServer(kind, program, { folder, environment, port });
    try {
      await server.start();
      return server;
    } catch (thrown) {
      if (tries < PORT_TRIES && String(thrown).includes("in use")) continue;
      await server[Symbol.asyncDispose]();
      throw thrown;
    }
  }
}

/** The one that a variable names. */
function runningServer({ program, urlVariable }: ServerKind, why: string | undefined): RealServer {
  const url = process.env[urlVariable];
  if (url === undefined) {
    throw new Error(`this test needs ${program}: put it on the PATH (Debian: apt-get install ${program}), or set ${urlVariable}; ${why}`);
  }
  const refuse = (): never => {
    throw new Error(`this test kills its ${program} and has none of its own: put one on the PATH`);
  };
  return { url, kill: refuse, start: refuse, pause: refuse, resume: refuse, [Symbol.asyncDispose]: async () => {} };
}

interface OwnServerOptions {
  readonly folder: string;
  readonly environment: Environment;
  readonly port: number;
}

class OwnServer implements RealServer {
  readonly url: string;
  readonly #kind: ServerKind;
  readonly #program: string;
  readonly #folder: string;
  readonly #environment: Environment;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  readonly #killWithUs = () => void this.#child?.kill("SIGKILL");

  constructor(kind: ServerKind, program: string, { folder, environment, port }: OwnServerOptions) {
    this.url = `${kind.scheme}://127.0.0.1:${port}`;
    this.#kind = kind;
    this.#program = program;
    this.#folder = folder;
    this.#environment = environment;
    this.#args = kind.args(port, folder);
  }

  async start(): Promise<void> {
    const child = spawn(this.#program, this.#args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...this.#environment },
    });
    this.#child = child;
    process.once("exit", this.#killWithUs);
    await new Promise<void>((resolve, reject) => {
      let said = "";
      const listen = (text: string) => {
        said = (said + text).slice(-4096);
        if (said.includes(this.#kind.readyLine)) resolve();
      };
      child.stdout.setEncoding("utf8").on("data", listen);
      child.stderr.setEncoding("utf8").on("data", listen);
      child.on("error", reject);
      child.on("close", (code, signal) => reject(new Error(`${this.#program} ended with ${code ?? signal}:\n${said}`)));
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    process.off("exit", this.#killWithUs);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
