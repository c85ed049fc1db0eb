/** A whole gateway but for its doors: fleet, serving core and, where it has been given the task, placement. */
import type { Bus } from "../../../core/bus/bus.ts";
import type { MemoryBroker } from "../../../core/bus/memory.ts";
import type { Clock } from "../../../core/clock.ts";
import type { MemoryLinks } from "../../../core/link/memory.ts";
import type { Random } from "../../../core/random.ts";
import type { GenerationStore } from "../../../core/store/generations/generation-store.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { Metrics } from "../../../core/telemetry/metrics.ts";
import { FleetWatch } from "../../../gateway/control/fleet-watch.ts";
import { nodeTeller } from "../../../gateway/control/node-teller.ts";
import { NodeWatch } from "../../../gateway/control/node-watch.ts";
import { PlacementLoop } from "../../../gateway/control/placement-loop.ts";
import type { DesiredReplica } from "../../../gateway/placement/desired.ts";
import type { GenerationJournals } from "../../../gateway/serving/generation/generation-journals.ts";
import type { TextGeneration } from "../../../gateway/serving/generation/text-generation.ts";
import { createTextServing, type TextServing } from "../../../gateway/serving/text-serving.ts";
import { generationWithBug, type PlantedBug, withBug } from "./planted-bugs.ts";

export interface SimulatedGatewayDeps {
  readonly broker: MemoryBroker;
  readonly links: MemoryLinks;
  readonly desired: readonly DesiredReplica[];
  /** All gateways have one. */
  readonly generations: GenerationStore;
  /** undefined: none are written. */
  readonly journals: GenerationJournals | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly bug: PlantedBug | undefined;
}

export class SimulatedGateway {
  readonly watch: FleetWatch;
  readonly #deps: SimulatedGatewayDeps;
  readonly #bus: Bus;
  readonly #text: TextServing;
  readonly #nodes: NodeWatch;
  #placement: PlacementLoop | undefined;

  constructor(deps: SimulatedGatewayDeps) {
    const { broker, clock, logger } = deps;
    this.#deps = deps;
    this.#bus = broker.connect();
    this.watch = new FleetWatch(this.#bus, clock, logger);
    this.#text = createTextServing({
      ...deps,
      ...withBug(deps.bug, this.#bus, deps.links),
      fleet: this.watch.fleet,
      desired: () => deps.desired,
      linkSubmitsMax: 1, // both ways are taken
    });
    this.#nodes = new NodeWatch({ bus: this.#bus, watch: this.watch, submitter: this.#text.submitter, clock, logger });
    this.watch.onChange(() => this.#text.warm());
  }

  get generation(): TextGeneration {
    return generationWithBug(this.#deps.bug, this.#text.generation);
  }

  get inFlight(): number {
    return this.#deps.desired.reduce((sum, { replica }) => sum + this.#text.inFlight.count(replica), 0);
  }

  /** Whether it sees every wanted replica ready. */
  get allReady(): boolean {
    const replicas = this.watch.fleet.replicas();
    return this.#deps.desired.every(({ replica }) => replicas.some((one) => one.replica === replica && one.ready));
  }

  place(fence: number): void {
    const { clock, desired } = this.#deps;
    this.#placement = new PlacementLoop({
      tell: nodeTeller(this.#bus, this.#nodes),
      clock,
      watch: this.watch,
      desired: () => ({ replicas: desired, models: [] }),
      isKnown: () => true,
      fence: () => fence,
      nodesMin: 1,
      rebalance: false,
    });
  }

  /** Placement is somebody else's from now on; what was remembered is lost. */
  stopPlacing(): void {
    this.#placement?.[Symbol.dispose]();
    this.#placement = undefined;
  }

  async stop(): Promise<void> {
    this.stopPlacing();
    this.#nodes[Symbol.dispose]();
    await this.#text[Symbol.asyncDispose]();
    this.watch[Symbol.dispose]();
    await this.#bus[Symbol.asyncDispose]();
  }
}
