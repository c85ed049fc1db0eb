/** Composes an agent: runner processes, the partitioner, the wire between its leads and their stages. */
import { cpus } from "node:os";
import type { Bus } from "../core/bus/bus.ts";
import type { Clock } from "../core/clock.ts";
import type { NodeId } from "../core/ids.ts";
import type { LinkNetwork } from "../core/link/link.ts";
import type { WatchedTls } from "../core/mutual-tls.ts";
import type { NearAgents } from "../core/near-agents.ts";
import type { NodeLabels } from "../core/node-labels.ts";
import type { Random } from "../core/random.ts";
import type { ModelSources } from "../core/repository/model-sources.ts";
import type { SchedulingOptions } from "../core/scheduling-options.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { Metrics } from "../core/telemetry/metrics.ts";
import type { Tracer } from "../core/telemetry/tracing.ts";
import { isLoopback } from "../core/wire/address.ts";
import { socketWire } from "../core/wire/socket.ts";
import { Agent, type AgentDeps } from "./agent.ts";
import { Gateways } from "./calls/gateways.ts";
import { GatewayFiles } from "./files/gateway-files.ts";
import { KEEP_LIMITS } from "./kept-generations.ts";
import { partitionerCutter } from "./models/partitioner-cutter.ts";
import { modelProcesses } from "./runners/model-process.ts";
import { processRunners } from "./runners/process.ts";
import { StandbyRunners } from "./runners/standby-runners.ts";

export interface StageNetwork {
  readonly host: string;
  readonly advertiseHost: string;
  /** With it, stages that other machines reach show certificates and ask for them. */
  readonly tls?: WatchedTls | undefined;
}

export interface AgentOptions {
  readonly node: NodeId;
  /** Where stages and leads listen for those on other hosts, and what these dial; undefined: unix sockets, for this host alone. */
  readonly stages: StageNetwork | undefined;
  /** Where cut shards are kept between starts. */
  readonly cacheFolder: string;
  /** Runners of shards that are kept started, once there was one. */
  readonly standbyRunners: number;
  /** What runs Python models: a path, or a name on the PATH. */
  readonly python?: string | undefined;
  /** Bytes of answers that are kept for models with a response cache; 0: none. */
  readonly responseCacheBytes: number;
  /** For so long each of them is given; 0 or undefined: until its bytes are needed. */
  readonly responseCacheAgeMs?: number;
  /** For resumable generations; the defaults unless said. */
  readonly resumableGenerations?: number;
  readonly resumableBytes?: number;
  /** How whole models are run; as Triton has it unless said. */
  readonly scheduling?: Partial<SchedulingOptions>;
  /** For models that ask for them. */
  readonly labels?: NodeLabels | undefined;
  /** Of a shard's runner, where placement leaves it to the node. */
  readonly threads: number;
  readonly memory: () => { readonly totalBytes: number; readonly freeBytes: number };
}

export interface AgentNetwork {
  readonly bus: Bus;
  readonly links: LinkNetwork;
  /** For gateways in this process; undefined: there are none. */
  readonly near?: NearAgents | undefined;
  readonly sources: ModelSources;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** undefined: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  readonly sequences?: NonNullable<AgentDeps["sequences"]>;
  readonly journal?: AgentDeps["journal"];
}

/** @param stack ends the agent and its runners @throws ServingError when a port cannot be had */
export async function startAgent(options: AgentOptions, network: AgentNetwork, stack: AsyncDisposableStack): Promise<Agent> {
  const { node, stages, standbyRunners, python, responseCacheBytes, scheduling, memory, threads, labels } = options;
  const { resumableGenerations: generations = KEEP_LIMITS.generations, resumableBytes: bytes = KEEP_LIMITS.bytes } = options;
  const logger = network.logger.child({ node });
  const sockets = stages === undefined ? {} : { listen: stageAddress(stages), advertiseHost: stages.advertiseHost };
  const wire = stack.use(await socketWire({ ...sockets, tls: stages?.tls }));
  const standby = { wanted: standbyRunners, clock: network.clock };
  const runners = stack.use(new StandbyRunners(processRunners({ logger, ...sockets, tlsFiles: stages?.tls?.files }), standby));
  const gateways = new Gateways();
  const gatewayFiles = stack.use(new GatewayFiles(gateways, network.clock));
  const sources = network.sources.withPeers(gatewayFiles.ask);
  const agent = await Agent.start({
    ...network,
    sources,
    gateways,
    logger,
    node,
    wire,
    runners,
    cutter: partitionerCutter({ ...options, find: (model) => sources.find(model, "") }),
    modelRunners: modelProcesses({ logger }),
    python,
    cacheBytes: responseCacheBytes,
    cacheAgeMsMax: options.responseCacheAgeMs,
    keep: { generations, bytes },
    ...(scheduling !== undefined && { scheduling }),
    cpu: cpus()[0]?.model.trim() ?? process.arch,
    labels,
    memory,
    threads,
  });
  return stack.use(agent);
}

/** On any free port; what this machine alone reaches stays in clear. */
function stageAddress({ host, advertiseHost, tls }: StageNetwork): string {
  const isOwn = isLoopback(host) && isLoopback(advertiseHost);
  return `${tls === undefined || isOwn ? "tcp" : "tls"}:${host}:0`;
}
