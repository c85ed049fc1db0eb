/**
 * A cluster of real processes to be treated badly: NATS, Redis, gateways and agents, with proxies before NATS, Redis and every
 * node where a row wants them. Disposing kills what still runs.
 */
import { seededRandom } from "../../core/random.ts";
import type { Started } from "../engine/cli/command.ts";
import { type GatewayProcess, isReady, ProcessCluster, type ProcessClusterOptions } from "../support/process-cluster.ts";
import { type RealServer, startRedis } from "../support/real-servers.ts";
import { startTcpProxy, type TcpProxy, type Weather } from "../support/tcp-proxy.ts";
import { chaosModels, FRAGILE, LANGUAGE, type ModelsOptions, SEQUENCES, STATELESS } from "./chaos-models.ts";
import { NodeProxy } from "./node-proxy.ts";
import { passing } from "./passing.ts";
import { joined } from "./preloaded.ts";
import type { RowRun } from "./row.ts";
import { servingNodes } from "./serving-nodes.ts";
import { untilHolds } from "./until-holds.ts";

export interface ChaosOptions extends ModelsOptions {
  readonly nodes: number;
  readonly gateways?: number;
  /** Lines of Redis's configuration; there is no Redis unless said. */
  readonly redis?: string;
  readonly proxied?: boolean;
  readonly gatewayFlags?: readonly string[];
  readonly agentFlags?: readonly string[];
  readonly environment?: ProcessClusterOptions["environment"];
}

/** A replica whose stages are open is ready a canary later, which nobody is told. */
const CANARY_MS = 1_000;

/** What stands between the processes. */
interface Proxies {
  readonly nats: TcpProxy;
  readonly redis: TcpProxy | undefined;
  readonly nodes: ReadonlyMap<string, NodeProxy>;
  /** Between each node and NATS, before the one that all share. */
  readonly buses: ReadonlyMap<string, TcpProxy>;
}

export class ChaosCluster implements AsyncDisposable {
  readonly gateways: GatewayProcess[] = [];
  readonly agents = new Map<string, Started>();
  /** Gateways to which a balancer would send clients now. */
  readonly open: string[] = [];
  readonly nats: RealServer;
  readonly #redis: RealServer | undefined;
  readonly #proxies: Proxies | undefined;
  readonly #processes: ProcessCluster;
  readonly #options: ChaosOptions;
  readonly #modelsFolder: string;
  readonly #stack: AsyncDisposableStack;
  #urls: readonly string[] = [];

  /** Resolves when everything serves. */
  static async start({ cache, seed, environment }: RowRun, options: ChaosOptions): Promise<ChaosCluster> {
    await using stack = new AsyncDisposableStack();
    const models = stack.use(chaosModels(options));
    const redis = options.redis === undefined ? undefined : stack.use(await startRedis(options.redis));
    const inAll = (name: string) => joined(environment, options.environment?.(name) ?? {});
    const processes = stack.use(await ProcessCluster.start({ cache, environment: inAll }));
    const names = Array.from({ length: options.nodes }, (_, index) => `node-${index + 1}`);
    const proxies = options.proxied === true ? await startProxies(processes.nats, redis, names, seed, stack) : undefined;
    const cluster = new ChaosCluster(processes, redis, proxies, options, models.folder, stack.move());
    try {
      for (let index = 0; index < (options.gateways ?? 1); index++) cluster.startGateway(index);
      for (const name of names) cluster.startAgent(name);
      await cluster.ready();
      await passing(CANARY_MS);
    } catch (thrown) {
      await cluster[Symbol.asyncDispose]();
      throw thrown;
    }
    return cluster;
  }

  private constructor(
    processes: ProcessCluster,
    redis: RealServer | undefined,
    proxies: Proxies | undefined,
    options: ChaosOptions,
    modelsFolder: string,
    stack: AsyncDisposableStack,
  ) {
    this.#processes = processes;
    this.nats = processes.nats;
    this.#redis = redis;
    this.#proxies = proxies;
    this.#options = options;
    this.#modelsFolder = modelsFolder;
    this.#stack = stack;
  }

  /** Of the first gateway. */
  get url(): string {
    return this.#urls[0] ?? "";
  }

  /** Of the first gateway. */
  async grpcPort(): Promise<number> {
    return (await this.gateways[0]?.grpcPort) ?? 0;
  }

  /** What the first gateway's metrics say. */
  async metrics(): Promise<string> {
    return (await fetch((await this.gateways[0]?.metricsUrl) ?? "")).text();
  }

  get redis(): RealServer {
    if (this.#redis === undefined) throw new Error("this cluster has no Redis");
    return this.#redis;
  }

  get proxies(): Proxies {
    if (this.#proxies === undefined) throw new Error("this cluster has no proxies");
    return this.#proxies;
  }

  /** Of all gateways, those that were started again included. */
  async urls(): Promise<readonly string[]> {
    this.#urls = await Promise.all(this.gateways.map(({ url }) => url));
    return this.#urls;
  }

  agent(node: string): Started {
    const agent = this.agents.get(node);
    if (agent === undefined) throw new Error(`there is no ${node}`);
    return agent;
  }

  /** Starts a gateway in the place of the one that was there. */
  startGateway(index: number): void {
    const flags = [...this.#shared(), "--model", "none", ...(this.#options.gatewayFlags ?? [])];
    const gateway = this.#processes.gateway(...flags);
    this.gateways[index] = gateway;
    this.#balance(gateway).catch(() => {}); // one that never listened: told to who waits for its URL
  }

  async #balance({ url, process }: GatewayProcess): Promise<void> {
    const at = await url;
    await untilHolds(() => isReady(at));
    this.open.push(at);
    await process.ended;
    this.open.splice(this.open.indexOf(at), 1);
  }

  /** Starts an agent in the place of the one that was there. */
  startAgent(node: string): void {
    const proxy = this.#proxies?.nodes.get(node)?.flags ?? [];
    const bus = this.#proxies?.buses.get(node);
    const nats = bus === undefined ? [] : ["--nats-url", `nats://127.0.0.1:${bus.port}`];
    this.agents.set(node, this.#processes.agent(node, ...this.#shared(), ...nats, ...proxy, ...(this.#options.agentFlags ?? [])));
  }

  /** Nothing passes between the node and anybody but Redis, and nobody closes anything. @returns what ends it */
  async part(node: string): Promise<() => Promise<void>> {
    const set = async (weather: Weather) => {
      await this.proxies.nodes.get(node)?.set("link", { there: weather, back: weather });
      this.proxies.buses.get(node)?.set({ there: weather, back: weather });
    };
    await set({ silent: true });
    return () => set({});
  }

  /** Every model has all its copies, as every gateway sees it. */
  async ready(): Promise<void> {
    const { replicas = 1, stages = 1, copies = 0, fragile = 0 } = this.#options;
    const wanted = [...(replicas > 0 ? [LANGUAGE] : []), ...(copies > 0 ? [STATELESS, SEQUENCES] : []), ...(fragile > 0 ? [FRAGILE] : [])];
    const nodes = Math.max(Math.min(replicas * stages, this.#options.nodes), copies, fragile);
    for (const url of await this.urls()) {
      await untilHolds(async () => {
        const answers = await Promise.all(wanted.map((model) => fetch(`${url}/v2/models/${model}/ready`)));
        return answers.every(({ status }) => status === 200) && (await servingNodes(url)).length >= nodes;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  /** Of gateways and agents; the last of several flags of one name counts. */
  #shared(): readonly string[] {
    const nats = this.#proxies === undefined ? [] : ["--nats-url", `nats://127.0.0.1:${this.#proxies.nats.port}`];
    const { redis: proxy } = this.#proxies ?? {};
    const url = proxy === undefined ? this.#redis?.url : `redis://127.0.0.1:${proxy.port}`;
    return ["--models", this.#modelsFolder, ...nats, ...(url === undefined ? [] : ["--redis-url", url])];
  }
}

async function startProxies(
  nats: RealServer,
  redis: RealServer | undefined,
  names: readonly string[],
  seed: bigint,
  stack: AsyncDisposableStack,
): Promise<Proxies> {
  const random = seededRandom(seed);
  const before = async (port: number) => stack.use(await startTcpProxy({ host: "127.0.0.1", port }, { random }));
  const portOf = ({ url }: RealServer) => Number(new URL(url).port);
  const bus = await before(portOf(nats));
  return {
    nats: bus,
    buses: new Map(await Promise.all(names.map(async (name) => [name, await before(bus.port)] as const))),
    redis: redis === undefined ? undefined : await before(portOf(redis)),
    nodes: new Map(names.map((name, index) => [name, stack.use(new NodeProxy(index, random))])),
  };
}
