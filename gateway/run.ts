/** Composes a gateway: fleet and placement, the serving core, the doors and their servers. */
import type { Bus } from "../core/bus/bus.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { DOOR_DEFAULTS, type DoorOptions } from "../core/door-options.ts";
import { ServingError } from "../core/errors.ts";
import type { LinkNetwork } from "../core/link/link.ts";
import type { Random } from "../core/random.ts";
import type { ModelSources } from "../core/repository/model-sources.ts";
import type { GenerationStore } from "../core/store/generations/generation-store.ts";
import { MemoryGenerationStore } from "../core/store/generations/memory.ts";
import type { QuotaStore } from "../core/store/quotas/quota-store.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { Metrics } from "../core/telemetry/metrics.ts";
import { TELEMETRY_DEFAULTS, type TelemetryOptions } from "../core/telemetry/options.ts";
import type { Tracer } from "../core/telemetry/tracing.ts";
import { type ControlPlane, createControlPlane, type PlacementStore } from "./control/control-plane.ts";
import { FleetWatch } from "./control/fleet-watch.ts";
import type { ClusterModelControl } from "./control/model-control.ts";
import { LoadsOnDemand } from "./control/model-demand.ts";
import type { ModelFolders } from "./control/model-folders.ts";
import { nodeTeller } from "./control/node-teller.ts";
import { NodeWatch } from "./control/node-watch.ts";
import { RepositoryFolders } from "./control/repository-folders.ts";
import { RepositoryPoll } from "./control/repository-poll.ts";
import { type DoorAddresses, type DoorDeps, type OpenDoors, openDoors } from "./doors.ts";
import { FleetMetrics } from "./metrics/fleet-metrics.ts";
import type { PresetModel } from "./placement/preset-model.ts";
import { lastAsked } from "./serving/gather-statistics.ts";
import { generationOnDemand } from "./serving/generation-on-demand.ts";
import type { ModelDemand } from "./serving/model-catalog.ts";
import { createModelServing, type ModelServing, type ModelServingDeps } from "./serving/model-serving.ts";
import { NodeFiles } from "./serving/node-files.ts";
import { ReturningModels } from "./serving/returning-models.ts";
import type { ModelDirectory } from "./serving/text-generation.ts";
import { createTextServing, type TextServing } from "./serving/text-serving.ts";
import { openTracing } from "./tracing/open-tracing.ts";

export interface GatewayOptions extends DoorAddresses {
  /** As Triton has it unless said. */
  readonly doors?: Partial<DoorOptions>;
  /** What is served in any case, whatever the repository says of it. */
  readonly presets: readonly PresetModel[];
  /**
   * `none` serves all that the repository has, `poll` also what it gets later, `explicit` what clients load, `on-demand` also what
   * requests ask for, `off` nothing but the presets.
   */
  readonly modelControl: "none" | "poll" | "explicit" | "on-demand" | "off";
  /** False: the server is ready once all that is served from the start has been tried, whatever became of it. */
  readonly strictReadiness?: boolean;
  /** With `explicit`: what is loaded at the start; `*` is all. */
  readonly loadModel?: readonly string[];
  /** With `poll`. */
  readonly repositoryPollSecs?: number;
  /** Nodes to wait for before anything is placed; 0: whoever speaks in the time in which every node does. */
  readonly nodesMin: number;
  /** Whether models move to a node that has come, so that nodes are filled alike; no unless said. */
  readonly rebalance?: boolean;
  /** What is measured and told; the defaults unless said. */
  readonly telemetry?: Partial<TelemetryOptions>;
  /** See TextServingDeps. */
  readonly migrationLimit?: number;
  /** How long new requests wait for a model of which no copy is there at the moment; 0: not at all. */
  readonly absenceWaitMs?: number;
  /** Nereid's own version, for metadata. */
  readonly version: string;
}

const ABSENCE_WAIT_MS = 30_000;

export interface GatewayDeps extends Pick<ModelServingDeps, "near">, Pick<DoorDeps, "logControl" | "accessLog" | "auditLog"> {
  readonly store: PlacementStore;
  /** Where gateways find resumable generations; this gateway alone has its own unless said. */
  readonly generations?: GenerationStore;
  /** Where gateways share what API keys have used; undefined: this one is the only one. */
  readonly quotas?: QuotaStore | undefined;
  readonly bus: Bus;
  readonly links: LinkNetwork;
  readonly sources: ModelSources;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Where traces are exported to, where the options say so (`openTracer`). */
  readonly tracer?: Tracer | undefined;
}

export interface Gateway extends AsyncDisposable, OpenDoors {
  readonly models: ModelDirectory;
  /** Why models could not be loaded that are to be served from the start; resolves when all have been tried. */
  readonly loaded: Promise<readonly ServingError[]>;
  /** Names of models of which a version is ready, sorted. */
  readyModels(): Promise<readonly string[]>;
  /** Readiness says no from now on, and connections are not kept; requests are still answered, until it is disposed. */
  announceStop(): void;
  /** Called when the fleet changes. @returns what stops the calls. */
  onChange(listener: () => void): () => void;
  /** The cluster is about to stop: what its agents give up ends. */
  retire(): void;
}

/** Triton's. */
const REPOSITORY_POLL_SECS = 15;

/** Listens at once; models become ready as agents report them. @throws ServingError when a door cannot be opened. */
export async function startGateway(options: GatewayOptions, deps: GatewayDeps): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const stopping = new AbortController();
  const tracing = openTracing(options.telemetry, deps, stack);
  const core = startCore(options, { ...deps, tracer: tracing.tracer }, stopping.signal, stack);
  const { watch, text, whole, control, demand } = core;
  const nodes = () => watch.fleet.nodes().map(({ heartbeat, leaving }) => ({ ...heartbeat, leaving }));
  const { models } = text;
  const generation = options.modelControl === "on-demand" ? generationOnDemand(text.generation, demand) : text.generation;
  const metricsText = fleetMetrics(options, deps, core, stack);
  const serving = { generation, models, tensors: { ...whole, control, demand }, nodes, leave: core.leave };
  const behind = { ...deps, ...serving, metricsText, tracing, version: options.version, stopping: stopping.signal };
  const doors = await openDoors(options, { ...DOOR_DEFAULTS, ...options.doors }, behind, stack);
  stack.defer(
    watch.onChange(() => {
      text.warm();
      whole.refresh();
      control.fleetChanged();
    }),
  );
  const closing = new AbortController();
  stack.defer(() => closing.abort(new ServingError("CANCELLED", "the gateway is shutting down")));
  const loaded = loadFirst(options, control, deps.clock, closing.signal);
  loaded.then(core.loadedFirst, () => {}); // whoever wants to know asks; at a stop nobody does
  if (options.modelControl === "poll") {
    const { presets, repositoryPollSecs = REPOSITORY_POLL_SECS } = options;
    const except = new Set<string>(presets.map(({ model }) => model));
    stack.use(new RepositoryPoll({ ...deps, folders: core.folders, control, periodMs: repositoryPollSecs * 1_000, except }));
  }
  const running = stack.move();
  return {
    ...doors,
    models,
    loaded,
    async readyModels() {
      const ready = (await control.index()).filter(({ state }) => state === "READY");
      return [...new Set(ready.map(({ name }) => name))];
    },
    announceStop: () => stopping.abort(),
    onChange: (listener) => watch.onChange(listener),
    retire: core.retire,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** What is behind the doors: the fleet, placement, and the serving of text and tensors. */
interface Core {
  readonly watch: FleetWatch;
  readonly text: TextServing;
  readonly whole: ModelServing;
  readonly control: ClusterModelControl;
  /** To be called when all that is to be served from the start has been tried: until then this gateway is not ready. */
  readonly loadedFirst: () => void;
  readonly demand: ModelDemand;
  readonly folders: ModelFolders;
  readonly leave: ControlPlane["leave"];
  /** Nobody waits for what is lost from now on. */
  readonly retire: () => void;
}

const STORE_RETRY_MS = 1_000;

/** Tries until the store has been there. @returns why models could not be loaded */
async function loadFirst(
  options: GatewayOptions,
  control: ClusterModelControl,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly ServingError[]> {
  for (;;) {
    const failures = await loadOnce(options, control, signal);
    if (!failures.some(({ code }) => code === "UNAVAILABLE")) return failures;
    await sleep(clock, STORE_RETRY_MS, signal);
  }
}

/** What is loaded at the start, where that is not the options' to say. */
const FIRST: Partial<Record<GatewayOptions["modelControl"], readonly string[]>> = { none: ["*"], poll: ["*"], off: [] };

async function loadOnce(
  { presets, modelControl, loadModel = [] }: GatewayOptions,
  control: ClusterModelControl,
  signal: AbortSignal,
): Promise<readonly ServingError[]> {
  await control.storeHeard(signal);
  const names = new Set<string>(presets.map(({ model }) => model));
  const [fromRepository, ...ofPresets] = await Promise.all([
    control.loadAll({ only: FIRST[modelControl] ?? loadModel, except: names }, signal),
    ...presets.map(({ model, plan }) =>
      control.loadPlanned(model, plan, signal).then(
        () => [],
        (thrown: unknown) => [ServingError.from(thrown)],
      ),
    ),
  ]);
  return [...ofPresets.flat(), ...fromRepository];
}

function startCore(
  options: GatewayOptions,
  deps: GatewayDeps & { readonly tracer: Tracer },
  stopping: AbortSignal,
  stack: AsyncDisposableStack,
): Core {
  const { bus, clock, logger } = deps;
  const watch = stack.use(new FleetWatch(bus, clock, logger));
  const { fleet } = watch;
  const nodeFiles: NodeFiles = stack.use(new NodeFiles({ fleet, submitter: () => text.submitter, clock }));
  const folders = new RepositoryFolders(deps.sources.withPeers(nodeFiles.ask));
  const files = (request: Uint8Array) => nodeFiles.answer(request, deps.sources);
  const plane = stack.use(
    createControlPlane(
      {
        ...deps,
        tell: nodeTeller(bus, { tell: (node, control) => nodes.tell(node, control) }),
        watch,
        folders,
        models: () => whole.hosted(),
        onWanted: () => whole.refresh(),
      },
      {
        mode: options.modelControl === "explicit" || options.modelControl === "on-demand" ? "explicit" : "none",
        nodesMin: options.nodesMin,
        rebalance: options.rebalance ?? false,
      },
    ),
  );
  const { control } = plane;
  const isServed = (model: string): boolean =>
    whole.catalog.isReady(model, undefined) ||
    text.models.list().some(({ name, readiness }) => name === model && readiness.kind === "ready");
  const returning = stack.use(
    new ReturningModels({
      entries: () => plane.wanted(),
      hosted: { models: () => whole.hosted(), shards: () => fleet.shards(), replicas: () => fleet.replicas() },
      isServed,
      clock,
      waitMs: options.absenceWaitMs ?? ABSENCE_WAIT_MS,
    }),
  );
  const { generations = new MemoryGenerationStore(clock) } = deps;
  const text: TextServing = stack.use(
    createTextServing({ ...deps, ...options, generations, fleet, files, desired: () => control.desired().replicas, patience: returning }),
  );
  const { models: directory, submitter, inFlight } = text;
  const nodes: NodeWatch = stack.use(new NodeWatch({ bus, watch, submitter, clock, logger }));
  let hasLoaded = false;
  const loadedFirst = () => {
    hasLoaded = true;
  };
  const { strictReadiness } = options;
  const isWhole = () => strictReadiness === false || !control.hasLost();
  const serving = () => hasLoaded && !stopping.aborted && isWhole() && (bus.connected || nodes.hearing > 0);
  // What the store has never heard of serves since before the store was emptied.
  const wanted = () => [...control.desired().models, ...fleet.models().filter(({ model }) => !control.isKnown(model))];
  const whole: ModelServing = stack.use(
    createModelServing({ ...deps, fleet, directory, submitter, inFlight, wanted, known: () => control.known(), serving, strictReadiness }),
  );
  whole.onChange(() => control.fleetChanged());
  const asked = (signal: AbortSignal) => lastAsked({ fleet, submitter, clock, logger }, signal);
  const loads = { control, folders, fleet, entries: () => plane.wanted(), isServed, lastAsked: asked, clock, logger };
  const demand = options.modelControl === "on-demand" ? stack.use(new LoadsOnDemand(loads)) : returning;
  const retire = () => {
    text.retire();
    returning[Symbol.dispose]();
  };
  return { watch, text, whole, control, demand, folders, loadedFirst, leave: plane.leave, retire };
}

/** @returns what /metrics says @throws ServingError INVALID_ARGUMENT when `metricsConfig` is not what it may be */
function fleetMetrics(options: GatewayOptions, deps: GatewayDeps, core: Core, stack: AsyncDisposableStack): () => Promise<string> {
  const { watch, text, whole, control } = core;
  const closing = new AbortController();
  stack.defer(() => closing.abort(new ServingError("CANCELLED", "the gateway is shutting down")));
  const sources = {
    ...deps,
    fleet: watch.fleet,
    submitter: text.submitter,
    views: whole,
    wanted: () => [...control.desired().models, ...control.desired().replicas],
  };
  const fleet = new FleetMetrics({ ...TELEMETRY_DEFAULTS, ...options.telemetry }, sources);
  return async () => (await deps.metrics.metricsText()) + (await fleet.text(closing.signal));
}
