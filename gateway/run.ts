/** Composes a gateway: fleet and placement, the serving core, the doors and their servers. */
import type { Bus } from "../core/bus/bus.ts";
import type { Clock } from "../core/clock.ts";
import { DOOR_DEFAULTS, type DoorOptions } from "../core/door-options.ts";
import { ServingError } from "../core/errors.ts";
import type { LinkNetwork } from "../core/link/link.ts";
import type { Random } from "../core/random.ts";
import type { ModelSources } from "../core/repository/model-sources.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { Metrics } from "../core/telemetry/metrics.ts";
import { FleetWatch } from "./control/fleet-watch.ts";
import { ClusterModelControl } from "./control/model-control.ts";
import { PlacementLoop } from "./control/placement-loop.ts";
import { RepositoryFolders } from "./control/repository-folders.ts";
import { type DoorAddresses, type OpenDoors, openDoors } from "./doors.ts";
import type { DesiredReplica } from "./placement/desired.ts";
import { createModelServing, type ModelServing } from "./serving/model-serving.ts";
import type { ModelDirectory } from "./serving/text-generation.ts";
import { createTextServing, type TextServing } from "./serving/text-serving.ts";

export interface GatewayOptions extends DoorAddresses {
  /** As Triton has it unless said. */
  readonly doors?: Partial<DoorOptions>;
  /** Language models that placement is to keep running. */
  readonly desired: readonly DesiredReplica[];
  /** Whole models: `none` serves all that the repository has, `explicit` what clients load, `off` none. */
  readonly modelControl: "none" | "explicit" | "off";
  /** Nereid's own version, for metadata. */
  readonly version: string;
}

export interface GatewayDeps {
  readonly bus: Bus;
  readonly links: LinkNetwork;
  readonly sources: ModelSources;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Gateway extends AsyncDisposable, OpenDoors {
  readonly models: ModelDirectory;
  /** Whole models that the repository has, and that could not be loaded; resolves when all have been tried. */
  readonly loaded: Promise<readonly ServingError[]>;
  /** Names of whole models of which a version is ready, sorted. */
  wholeModels(): Promise<readonly string[]>;
  /** Called when the fleet changes. @returns what stops the calls. */
  onChange(listener: () => void): () => void;
}

/** Listens at once; models become ready as agents report them. @throws ServingError when a door cannot be opened. */
export async function startGateway(options: GatewayOptions, deps: GatewayDeps): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const core = startCore(options, deps, stack);
  const { watch, text, whole, control } = core;
  const nodes = () => watch.fleet.nodes().map(({ heartbeat }) => heartbeat);
  const { generation, models } = text;
  const behind = { ...deps, version: options.version, generation, models, tensors: { ...whole, control }, nodes };
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
  const loaded = options.modelControl === "none" ? control.loadAll(closing.signal) : Promise.resolve([]);
  const running = stack.move();
  return {
    ...doors,
    models,
    loaded,
    async wholeModels() {
      const ready = (await control.index()).filter(({ state }) => state === "READY");
      return [...new Set(ready.map(({ name }) => name))];
    },
    onChange: (listener) => watch.onChange(listener),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** What is behind the doors: the fleet, placement, and the serving of text and tensors. */
interface Core {
  readonly watch: FleetWatch;
  readonly text: TextServing;
  readonly whole: ModelServing;
  readonly control: ClusterModelControl;
}

function startCore(options: GatewayOptions, deps: GatewayDeps, stack: AsyncDisposableStack): Core {
  const { bus, clock, logger } = deps;
  const desired = () => options.desired;
  const watch = stack.use(new FleetWatch(bus, clock, logger));
  const text = stack.use(createTextServing({ ...deps, fleet: watch.fleet, desired }));
  const control: ClusterModelControl = new ClusterModelControl({
    folders: new RepositoryFolders(deps.sources),
    fleet: { models: () => whole.hosted() },
    nudge: () => {
      whole.refresh();
      placement.nudge();
    },
    mode: options.modelControl === "explicit" ? "explicit" : "none",
  });
  const { models: directory, submitter, inFlight } = text;
  const [wanted, known] = [() => control.desired(), () => control.known()];
  const whole: ModelServing = stack.use(createModelServing({ ...deps, fleet: watch.fleet, directory, submitter, inFlight, wanted, known }));
  whole.onChange(() => control.fleetChanged());
  const placement: PlacementLoop = stack.use(new PlacementLoop({ bus, clock, watch, desired, desiredModels: () => control.desired() }));
  return { watch, text, whole, control };
}
