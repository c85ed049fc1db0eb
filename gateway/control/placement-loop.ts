/** Placement's hands: hears the fleet, asks `reconcile` what to do, and tells the agents, as long as placing is this gateway's. */
import type { Clock } from "../../core/clock.ts";
import type { NodeId, ReplicaId } from "../../core/ids.ts";
import type { ControlMessage } from "../../core/messages/control.ts";
import { Balancer } from "../placement/balancer.ts";
import type { Desired } from "../placement/desired-of.ts";
import { type ReplicaPlan, reconcile } from "../placement/reconcile.ts";
import { type ModelPlan, occupiedRooms, reconcileModels } from "../placement/reconcile-models.ts";
import type { Fleet } from "./fleet.ts";
import type { FleetWatch } from "./fleet-watch.ts";

const PERIOD_MS = 500;
/** Every node has spoken twice by then: what was not heard is not there. */
const LISTEN_MS = 1_200;

export interface PlacementLoopDeps {
  /** Brings a command to an agent, or loses it. */
  readonly tell: (node: NodeId, message: ControlMessage) => void;
  readonly clock: Clock;
  readonly watch: FleetWatch;
  readonly desired: () => Desired;
  /** Whether anybody has ever wanted the model. */
  readonly isKnown: (model: string) => boolean;
  /** Goes with every command; undefined: another gateway places. */
  readonly fence: () => number | undefined;
  /** Nodes to wait for before anything is placed, so that the first one is not filled; 0: whoever speaks in the time in which every node does. */
  readonly nodesMin: number;
  /** Whether what is there moves to a node that has come, so that nodes are filled alike. */
  readonly rebalance: boolean;
}

export class PlacementLoop implements Disposable {
  readonly #deps: PlacementLoopDeps;
  readonly #unwatch: () => void;
  #plans: ReadonlyMap<ReplicaId, ReplicaPlan> = new Map();
  #modelPlans: ReadonlyMap<ReplicaId, ModelPlan> = new Map();
  #balancer = new Balancer();
  readonly #listensUntilMs: number;
  #started = false;
  #takeBack: () => void = () => {};

  constructor(deps: PlacementLoopDeps) {
    this.#deps = deps;
    this.#listensUntilMs = deps.clock.now() + LISTEN_MS;
    this.#unwatch = deps.watch.onChange((fleet) => this.#reconcile(fleet));
    this.#tick();
  }

  /** What is wanted has changed. */
  nudge(): void {
    this.#reconcile(this.#deps.watch.fleet);
  }

  #tick(): void {
    this.#reconcile(this.#deps.watch.fleet);
    this.#takeBack = this.#deps.clock.after(PERIOD_MS, () => this.#tick());
  }

  #reconcile(fleet: Fleet): void {
    const { tell, clock, desired, isKnown, nodesMin, rebalance } = this.#deps;
    const fence = this.#deps.fence();
    if (fence === undefined) {
      this.#plans = new Map(); // whoever places meanwhile does otherwise
      this.#modelPlans = new Map();
      this.#balancer = new Balancer();
      return;
    }
    this.#started ||= nodesMin === 0 ? clock.now() >= this.#listensUntilMs : fleet.nodes().length >= nodesMin;
    if (!this.#started) return;
    const [nowMs, rooms, wanted] = [clock.now(), occupiedRooms(fleet), desired()];
    const move = rebalance ? this.#balancer.next({ desired: wanted, holdings: fleet, rooms, nowMs }) : undefined;
    const options = { rooms, isKnown, move };
    const stages = reconcile(wanted.replicas, fleet, this.#plans, nowMs, options);
    const models = reconcileModels(wanted.models, fleet, this.#modelPlans, nowMs, options);
    this.#plans = stages.plans;
    this.#modelPlans = models.plans;
    for (const { node, control } of [...stages.commands, ...models.commands]) tell(node, { fence, control });
  }

  [Symbol.dispose](): void {
    this.#takeBack();
    this.#unwatch();
  }
}
