/** Composes a gateway: what is behind the doors, the doors and their servers. */
import { DOOR_DEFAULTS } from "../core/door-options.ts";
import { ServingError } from "../core/errors.ts";
import { MemoryGenerationStore } from "../core/store/generations/memory.ts";
import { TELEMETRY_DEFAULTS } from "../core/telemetry/options.ts";
import { RepositoryPoll } from "./control/repository-poll.ts";
import { type Core, startCore } from "./core.ts";
import { type OpenDoors, openDoors } from "./doors.ts";
import { loadFirst } from "./first-loads.ts";
import type { GatewayDeps, GatewayOptions } from "./gateway-options.ts";
import { FleetMetrics } from "./metrics/fleet-metrics.ts";
import { unplacedModels } from "./placement/missing-labels.ts";
import { generationOnDemand } from "./serving/generation/generation-on-demand.ts";
import type { ModelDirectory } from "./serving/generation/text-generation.ts";
import { openTracing } from "./tracing/open-tracing.ts";

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
  const { generations = new MemoryGenerationStore(deps.clock) } = deps;
  const core = startCore(options, { ...deps, generations, tracer: tracing.tracer }, stopping.signal, stack);
  const { watch, text, whole, control, demand } = core;
  const nodes = () => watch.fleet.nodes().map(({ heartbeat, leaving }) => ({ ...heartbeat, leaving }));
  const unplaced = () => unplacedModels(control.desired().models, watch.fleet.nodes());
  const { models } = text;
  const generation = options.modelControl === "on-demand" ? generationOnDemand(text.generation, demand) : text.generation;
  const metricsText = fleetMetrics(options, deps, core, stack);
  const serving = { generation, models, tensors: { ...whole, control, demand }, nodes, unplaced, leave: core.leave };
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
