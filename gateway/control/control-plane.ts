/** What a gateway does for the cluster beside serving: knows what is wanted, takes loads and unloads, and places them while that is its duty. */
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import type { PlacementLease } from "../../core/store/placement/placement-lease.ts";
import type { WantedEntry, WantedModels } from "../../core/store/placement/wanted-models.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import { CopiesScaling } from "./copies-scaling.ts";
import type { ModelOnNode } from "./fleet.ts";
import type { FleetWatch } from "./fleet-watch.ts";
import { ClusterModelControl } from "./model-control.ts";
import type { ModelFolders } from "./model-folders.ts";
import { PlacementDuty } from "./placement-duty.ts";
import { PlacementLoop, type PlacementLoopDeps } from "./placement-loop.ts";
import { WantedWatch } from "./wanted-watch.ts";

/** What gateways share: which models are wanted, and which gateway places them. */
export interface PlacementStore {
  readonly wantedModels: WantedModels;
  readonly lease: PlacementLease;
}

export interface ControlPlaneDeps {
  /** Brings placement's commands to nodes. */
  readonly tell: PlacementLoopDeps["tell"];
  readonly watch: FleetWatch;
  readonly store: PlacementStore;
  readonly folders: ModelFolders;
  /** Whole models that nodes hold, as this gateway can use them. */
  readonly models: () => readonly ModelOnNode[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Called when what is wanted has changed, before anything is placed. */
  readonly onWanted: () => void;
}

export interface ControlPlaneOptions {
  readonly mode: "explicit" | "none";
  /** As placement has it. */
  readonly nodesMin: number;
  readonly rebalance: boolean;
}

/** Disposing it lets another gateway place at once. */
export interface ControlPlane extends AsyncDisposable {
  readonly control: ClusterModelControl;
  /** What the store says is wanted, by model. */
  wanted(): ReadonlyMap<string, WantedEntry>;
  /** What is on the node moves away and nothing comes, or it may take things again. @throws ServingError UNAVAILABLE */
  leave(node: string, leaving: boolean): Promise<void>;
  /** Whether this gateway places. */
  readonly duty: PlacementDuty;
}

export function createControlPlane(deps: ControlPlaneDeps, options: ControlPlaneOptions): ControlPlane {
  const { store, watch, clock, logger, folders, models, onWanted } = deps;
  const { fleet } = watch;
  const stack = new AsyncDisposableStack();
  const wanted = stack.use(new WantedWatch({ store: store.wantedModels, clock, logger }));
  const hosted = { models, shards: () => fleet.shards(), replicas: () => fleet.replicas() };
  const control = stack.use(new ClusterModelControl({ folders, watch: wanted, hosted, logger, mode: options.mode }));
  const duty: PlacementDuty = stack.use(
    new PlacementDuty({
      lease: store.lease,
      holder: deps.random.id(),
      clock,
      logger,
      fenceHeard: () => fleet.fence(),
      onChange: () => placement.nudge(),
    }),
  );
  const placement: PlacementLoop = stack.use(
    new PlacementLoop({
      tell: deps.tell,
      clock,
      watch,
      desired: () => control.desired(),
      isKnown: (model) => control.isKnown(model),
      fence: () => duty.fence(),
      nodesMin: options.nodesMin,
      rebalance: options.rebalance,
    }),
  );
  const places = () => duty.fence() !== undefined;
  stack.use(new CopiesScaling({ wanted, hosted, places, clock, logger, metrics: deps.metrics }));
  wanted.onChange(() => {
    fleet.leave(new Set([...wanted.nodes].flatMap(([node, entry]) => (entry.wanted.leaving ? [node] : []))));
    onWanted();
    placement.nudge();
  });
  return {
    control,
    duty,
    wanted: () => wanted.entries,
    leave: (node, leaving) => wanted.leave(node, leaving),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
