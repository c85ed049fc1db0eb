/** Placement's hands: hears the fleet, asks `reconcile` what to do, and tells the agents. One per cluster runs at a time. */
import type { Bus } from "../../core/bus/bus.ts";
import type { Clock } from "../../core/clock.ts";
import type { ReplicaId } from "../../core/ids.ts";
import { encodeJson } from "../../core/messages/json-message.ts";
import { SUBJECTS } from "../../core/messages/subjects.ts";
import type { DesiredModel, DesiredReplica } from "../placement/desired.ts";
import { type ReplicaPlan, reconcile } from "../placement/reconcile.ts";
import { type ModelPlan, reconcileModels } from "../placement/reconcile-models.ts";
import type { Fleet } from "./fleet.ts";
import type { FleetWatch } from "./fleet-watch.ts";

const PERIOD_MS = 500;

export interface PlacementLoopDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly watch: FleetWatch;
  readonly desired: () => readonly DesiredReplica[];
  readonly desiredModels: () => readonly DesiredModel[];
}

export class PlacementLoop implements Disposable {
  readonly #deps: PlacementLoopDeps;
  readonly #unwatch: () => void;
  #plans: ReadonlyMap<ReplicaId, ReplicaPlan> = new Map();
  #modelPlans: ReadonlyMap<ReplicaId, ModelPlan> = new Map();
  #takeBack: () => void = () => {};

  constructor(deps: PlacementLoopDeps) {
    this.#deps = deps;
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
    const { bus, clock, desired, desiredModels } = this.#deps;
    const stages = reconcile(desired(), fleet, this.#plans, clock.now());
    const models = reconcileModels(desiredModels(), fleet, this.#modelPlans, clock.now());
    this.#plans = stages.plans;
    this.#modelPlans = models.plans;
    for (const { node, control } of [...stages.commands, ...models.commands]) bus.publish(SUBJECTS.control(node), encodeJson(control));
  }

  [Symbol.dispose](): void {
    this.#takeBack();
    this.#unwatch();
  }
}
