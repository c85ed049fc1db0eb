/** A cluster as people run one: NATS, gateways and agents in processes of their own, with the real model, on free ports. */
import path from "node:path";
import { type Ended, MAIN, run, type Started, start } from "../engine/cli/command.ts";
import { realModelFolder } from "./real-model.ts";
import { type RealServer, startNats } from "./real-servers.ts";
import type { ShardCache } from "./replica.ts";

export const MODEL = path.basename(realModelFolder());

export interface ProcessClusterOptions {
  readonly cache: ShardCache;
  /** A stage on each node. */
  readonly stages?: number;
  readonly quantization?: string;
  /** Of gateways. */
  readonly flags?: readonly string[];
  /** What is added to a process's environment: to an agent's by its node, to a gateway's by `gateway-1` and so on, as they are started. */
  readonly environment?: ((name: string) => Readonly<Record<string, string>>) | undefined;
}

export interface GatewayProcess {
  /** `http://HOST:PORT`; once it listens. */
  readonly url: Promise<string>;
  readonly grpcPort: Promise<number>;
  readonly metricsUrl: Promise<string>;
  readonly process: Started;
}

/** Nothing is started until it is asked for, in any order; NATS has its port from the beginning. Disposing kills what still runs. */
export class ProcessCluster implements AsyncDisposable {
  readonly nats: RealServer;
  readonly #options: ProcessClusterOptions;
  readonly #started: Started[] = [];
  #gateways = 0;

  /** @param options NATS runs when it resolves */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    return new ProcessCluster(options, await startNats());
  }

  private constructor(options: ProcessClusterOptions, nats: RealServer) {
    this.#options = options;
    this.nats = nats;
  }

  gateway(...flags: readonly string[]): GatewayProcess {
    const { stages = 2, quantization = "auto" } = this.#options;
    const ports = ["--port", "0", "--grpc-port", "0", "--metrics-port", "0"];
    const model = ["--model", MODEL, "--stages", String(stages), "--quantization", quantization, "--threads", "1"];
    this.#gateways += 1;
    const process = this.#start(`gateway-${this.#gateways}`, ["gateway", ...ports, ...model, ...flags]);
    const said = process.printed("metrics: ");
    said.catch(() => {}); // told to who asks for an address
    const address = async (door: RegExp) => door.exec(await said)?.[1] ?? "";
    return {
      get url() {
        return address(/HTTP: (\S+)/);
      },
      get grpcPort() {
        return address(/gRPC: \S*:(\d+)/).then(Number);
      },
      get metricsUrl() {
        return address(/metrics: (\S+)/);
      },
      process,
    };
  }

  /** `nereid status` on the gateway at `url`. */
  status(url: string, ...flags: readonly string[]): Promise<Ended> {
    return run([MAIN, "status", "--url", url, ...flags]);
  }

  agent(node: string, ...flags: readonly string[]): Started {
    return this.#start(node, ["agent", "--node", node, ...flags]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#started.map((process) => process[Symbol.asyncDispose]()));
    await this.nats[Symbol.asyncDispose]();
  }

  #start(name: string, [command = "", ...flags]: readonly string[]): Started {
    const models = flags.includes("--models") ? [] : ["--models", path.dirname(realModelFolder())];
    const folders = [...models, "--cache", this.#options.cache.folder];
    const environment = this.#options.environment?.(name) ?? {};
    const process = start([MAIN, command, "--nats-url", this.nats.url, ...folders, "--log-level", "warn", ...flags], environment);
    this.#started.push(process);
    return process;
  }
}

/** Sends the signal, and resolves when the process has ended. */
export function ended({ child, ended: over }: Started, signal: "SIGTERM" | "SIGKILL" | "SIGINT"): Promise<Ended> {
  child.kill(signal);
  return over;
}

export const isReady = async (url: string): Promise<boolean> => (await fetch(`${url}/v2/health/ready`)).status === 200;
