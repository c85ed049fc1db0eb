/**
 * The whole cluster in one process: a gateway and its node agents on the memory bus and the memory link, with real runner
 * processes and real sockets between the stages. What `nereid up` runs.
 */
import { availableParallelism, totalmem } from "node:os";
import path from "node:path";
import { untilAborted } from "../core/abort.ts";
import { MemoryBroker } from "../core/bus/memory.ts";
import { systemClock } from "../core/clock.ts";
import type { DoorOptions } from "../core/door-options.ts";
import { ServingError } from "../core/errors.ts";
import { nodeId } from "../core/ids.ts";
import { MemoryLinks } from "../core/link/memory.ts";
import type { CopiesRange } from "../core/model/config/language-settings.ts";
import type { Quantization } from "../core/model/shard-description.ts";
import { NearAgents } from "../core/near-agents.ts";
import type { NodeLabels } from "../core/node-labels.ts";
import { systemRandom } from "../core/random.ts";
import { type ConfigReading, ModelSources, type ModelSourcesOptions } from "../core/repository/model-sources.ts";
import type { SchedulingOptions } from "../core/scheduling-options.ts";
import type { GenerationStore } from "../core/store/generations/generation-store.ts";
import { fileWantedModels } from "../core/store/placement/file.ts";
import { MemoryPlacementStore } from "../core/store/placement/memory.ts";
import { MemorySequenceStore } from "../core/store/sequences/memory.ts";
import type { LogControl } from "../core/telemetry/log-control.ts";
import { createLogger, type Logger } from "../core/telemetry/logger.ts";
import { createMetrics } from "../core/telemetry/metrics.ts";
import { openTracer } from "../core/telemetry/open-tracer.ts";
import { TELEMETRY_DEFAULTS, type TelemetryOptions } from "../core/telemetry/options.ts";
import { VERSION } from "../core/version.ts";
import type { PlacementStore } from "../gateway/control/control-plane.ts";
import { forgetPresets } from "../gateway/control/forget-presets.ts";
import type { OpenDoors } from "../gateway/doors.ts";
import type { GatewayDeps, GatewayOptions } from "../gateway/gateway-options.ts";
import { type PresetModel, presetModel } from "../gateway/placement/preset-model.ts";
import { type Gateway, startGateway } from "../gateway/run.ts";
import { GenerationJournals } from "../gateway/serving/generation/generation-journals.ts";
import type { ServedModel } from "../gateway/serving/generation/text-generation.ts";
import type { Agent } from "../node-agent/agent.ts";
import type { JournalOptions } from "../node-agent/generation-journal.ts";
import { startAgent } from "../node-agent/run.ts";

export interface ClusterOptions {
  /** How the doors are opened and for whom; as Triton has it unless said. */
  readonly doors?: Partial<DoorOptions>;
  /** What is measured and told; the defaults unless said. */
  readonly telemetry?: Partial<TelemetryOptions>;
  /** How nodes run whole models; as Triton has it unless said. */
  readonly scheduling?: Partial<SchedulingOptions>;
  readonly nodes: number;
  /** The language model to serve; undefined: whole models only. */
  readonly model: string | undefined;
  readonly version: string;
  readonly stages: number;
  readonly quantization: Quantization | "auto";
  /** How many replicas of `model` there are; one unless said. */
  readonly replicas?: CopiesRange;
  readonly slots: number;
  /** undefined: all that the model has. */
  readonly contextLength: number | undefined;
  /** Positions that free slots may keep for prompts that begin alike; one slot's unless said, 0: none. */
  readonly prefixCacheTokens?: number | undefined;
  /** Threads of each shard's runner; undefined: the machine's cores shared out over the stages. */
  readonly threads: number | undefined;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
  /** Each holds one folder per model, as a Triton model repository. */
  readonly repositoryFolders: ModelSourcesOptions["repositoryFolders"];
  /** How their configurations are read; as they stand unless said. */
  readonly reading?: ConfigReading;
  /** Where cut shards are kept between starts. */
  readonly cacheFolder: string;
  /** What is served beside `model`. */
  readonly modelControlMode: GatewayOptions["modelControl"];
  /** With `poll`; Triton's unless said. */
  readonly repositoryPollSecs?: number;
  /** With `explicit`: what is loaded at the start; `*` is all. */
  readonly loadModel?: readonly string[];
  /** A model that cannot be loaded at the start ends the start unless this is false. */
  readonly exitOnError?: boolean;
  /** False: the server is ready while some of its models are not. */
  readonly strictReadiness?: boolean;
  /** Where the models that clients have loaded are remembered for the next start; undefined: nowhere, as with Triton. */
  readonly wantedFile?: string;
  /** Runners that each node with language models keeps started. */
  readonly standbyRunners: number;
  /** What runs Python models: a path, or a name on the PATH; `python3` unless said. */
  readonly python?: string;
  /** Bytes of answers that each node keeps for models with a response cache; 0: none. */
  readonly responseCacheBytes: number;
  /** For so long each of them is given; 0 or undefined: until its bytes are needed. */
  readonly responseCacheAgeMs?: number;
  /** Resumable streams that each node keeps, and their memory; the defaults unless said. */
  readonly resumableGenerations?: number;
  readonly resumableBytes?: number;
  /** Of every node, for models that ask for them. */
  readonly labels?: NodeLabels | undefined;
  /** How often in a row a generation that has lost its lead is placed again; 0: never. */
  readonly migrationLimit: number;
  /** How long new requests wait for a model of which no copy is there at the moment; 0: not at all. */
  readonly absenceWaitMs?: number;
}

/** What outlives the cluster of it. */
export interface ClusterJournal extends JournalOptions {
  readonly generations: GenerationStore;
}

export interface ClusterHooks {
  /** JSON lines of warnings and errors on standard error unless said. */
  readonly logger?: Logger;
  /** What `logger` logs, for clients that may change it. */
  readonly logControl?: LogControl;
  /** Gets a line for each answer over HTTP. */
  readonly accessLog?: Logger;
  /** Gets a line for each control call; nobody does unless said. */
  readonly auditLog?: Logger;
  /** How the model is coming along; called at every change. */
  readonly onProgress?: (model: ServedModel) => void;
  /** Where resumable generations are written down, so that they survive this process; nowhere unless said. */
  readonly journal?: ClusterJournal | undefined;
  readonly signal: AbortSignal;
}

/** A running cluster; disposing it ends every process that it started. */
export interface Cluster extends AsyncDisposable, OpenDoors {
  readonly gateway: Gateway;
  /** The language model, if there is one. */
  readonly model: ServedModel | undefined;
}

/**
 * Starts the cluster and waits until its model answers.
 * @throws ServingError that says what to do: a taken port, a missing model, a broken file, too little memory.
 */
export async function startCluster(options: ClusterOptions, hooks: ClusterHooks): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const logger = hooks.logger ?? createLogger({ level: "warn", form: "json" });
  const broker = new MemoryBroker({ clock: systemClock });
  const links = new MemoryLinks({ clock: systemClock, random: systemRandom });
  const near = new NearAgents();
  const metrics = stack.use(createMetrics());
  const presets = options.model === undefined ? [] : [presetOf(options.model, options)];
  const uploadsFolder = path.join(options.cacheFolder, "uploads");
  const sources = new ModelSources({ ...options, uploadsFolder, random: systemRandom });
  const told = { clock: systemClock, logger, version: VERSION };
  const tracer = await openTracer({ ...TELEMETRY_DEFAULTS, ...options.telemetry }, told);
  if (tracer !== undefined) stack.use(tracer);
  const shared = { near, clock: systemClock, random: systemRandom, metrics, logger, tracer };
  const store = await openStore(options, stack);
  const gateway = stack.use(
    await startGateway(
      { ...options, presets, modelControl: options.modelControlMode, nodesMin: options.nodes, version: VERSION },
      { ...hooks, ...shared, ...journalOf(hooks), store, sources, bus: stack.use(broker.connect()), links },
    ),
  );
  // It dies with the nodes, so it saves nothing; models may still ask for it, and go on after a reload.
  const sequences = { store: new MemorySequenceStore(systemClock), durability: { kind: "none" } } as const;
  const agents: Agent[] = [];
  for (let index = 1; index <= options.nodes; index++) {
    const bus = stack.use(broker.connect());
    const node = { ...options, node: nodeId(`node-${index}`), stages: undefined, memory: () => memoryShare(options.nodes) };
    const threads = Math.max(1, Math.floor(availableParallelism() / options.nodes));
    agents.push(await startAgent({ ...node, threads }, { ...shared, bus, links, sources, sequences, journal: hooks.journal }, stack));
  }
  stack.defer(() => {
    gateway.retire();
    for (const agent of agents) agent.retire();
  });
  const model = await untilLoaded(gateway, options, hooks);
  const running = stack.move();
  return {
    httpAddress: gateway.httpAddress,
    grpcAddress: gateway.grpcAddress,
    metricsAddress: gateway.metricsAddress,
    gateway,
    model,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function journalOf({ journal }: ClusterHooks): Pick<GatewayDeps, "generations" | "journals"> {
  return journal === undefined ? {} : { generations: journal.generations, journals: new GenerationJournals(journal.store, journal.keys) };
}

function presetOf(name: string, options: ClusterOptions): PresetModel {
  const { version, stages, quantization, slots, contextLength = 0, prefixCacheTokens } = options;
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / stages));
  const language = { stages, quantization, slots, contextLength, threads, ...(prefixCacheTokens !== undefined && { prefixCacheTokens }) };
  return presetModel(name, version, language, options.replicas);
}

/** In memory; with a file what was wanted before is wanted again, but for what another start was given by a flag. */
async function openStore({ wantedFile, model }: ClusterOptions, stack: AsyncDisposableStack): Promise<PlacementStore> {
  const memory = new MemoryPlacementStore({ clock: systemClock, random: systemRandom });
  if (wantedFile === undefined) return memory;
  const wantedModels = stack.use(await fileWantedModels(wantedFile, memory.wantedModels));
  await forgetPresets(wantedModels, { except: model });
  return { wantedModels, lease: memory.lease };
}

/** Names every model that could not be loaded, and why. */
function startFailure(failures: readonly ServingError[]): ServingError {
  const lines = failures.map(({ message, cause }) => {
    const why = cause instanceof ServingError ? `: ${cause.message}` : "";
    return `${message.trim()}${why}`;
  });
  return new ServingError("FAILED_PRECONDITION", lines.join("\n"), { cause: failures[0] });
}

/** Each node of the one machine may take its share: two must not promise the same bytes. */
const memoryShare = (nodes: number) => ({ totalBytes: totalmem() / nodes, freeBytes: process.availableMemory() / nodes });

/** @throws ServingError with the reason when a model cannot be loaded; the signal's reason when it aborts. */
async function untilLoaded(gateway: Gateway, options: ClusterOptions, hooks: ClusterHooks): Promise<ServedModel | undefined> {
  const served = () => gateway.models.list().find(({ name }) => name === options.model);
  const unwatch = gateway.onChange(() => {
    const model = served();
    if (model !== undefined) hooks.onProgress?.(model);
  });
  try {
    const failures = await untilAborted(gateway.loaded, hooks.signal);
    if (failures.length > 0 && options.exitOnError !== false) throw startFailure(failures);
    return served();
  } finally {
    unwatch();
  }
}
