/** Placement's hands: hears the fleet, asks `reconcile` what to do, and tells the agents. One per cluster runs at a time. */
import type { Bus } from "../../core/bus/bus.ts";
import type { Clock } from "../../core/clock.ts";
import type { ReplicaId } from "../../core/ids.ts";
import { encodeJson } from "../../core/messages/json-message.ts";
import { SUBJECTS } from "../../core/messages/subjects.ts";
import type { DesiredReplica } from "../placement/desired.ts";
import { type ReplicaPlan, reconcile } from "../placement/reconcile.ts";
import type { Fleet } from "./fleet.ts";
import type { FleetWatch } from "./fleet-watch.ts";

const PERIOD_MS = 500;

export interface PlacementLoopDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly watch: FleetWatch;
  readonly desired: () => readonly DesiredReplica[];
}

export class PlacementLoop implements Disposable {
  readonly #deps: PlacementLoopDeps;
  readonly #unwatch: () => void;
  #plans: ReadonlyMap<ReplicaId, ReplicaPlan> = new Map();
  #takeBack: () => void = () => {};

  constructor(deps: PlacementLoopDeps) {
    this.#deps = deps;
    this.#unwatch = deps.watch.onChange((fleet) => this.#reconcile(fleet));
    this.#tick();
  }

  #tick(): void {
    this.#reconcile(this.#deps.watch.fleet);
    this.#takeBack = this.#deps.clock.after(PERIOD_MS, () => this.#tick());
  }

  #reconcile(fleet: Fleet): void {
    const { bus, clock, desired } = this.#deps;
    const { commands, plans } = reconcile(desired(), fleet, this.#plans, clock.now());
    this.#plans = plans;
    for (const { node, control } of commands) bus.publish(SUBJECTS.control(node), encodeJson(control));
  }

  [Symbol.dispose](): void {
    this.#takeBack();
    this.#unwatch();
  }
}
