/**
 * Whether this gateway reaches the cluster: through the broker, or over the link of any node. One that has not for a while refuses
 * requests at once, so that clients try another gateway; short absences are waited for.
 */
import type { Bus } from "../../core/bus/bus.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";

/** The broker may be away for so long without a request failing (promise P4). */
export const CUT_OFF_MS = 5_000;

export interface ClusterReachDeps {
  readonly bus: Pick<Bus, "connected" | "onConnection">;
  /** Nodes that are heard over their links. */
  readonly hearing: () => number;
  readonly clock: Clock;
}

export class ClusterReach implements Disposable {
  readonly #deps: ClusterReachDeps;
  readonly #subscription: { unsubscribe(): void };
  #aloneSinceMs: number | undefined;

  constructor(deps: ClusterReachDeps) {
    this.#deps = deps;
    this.#subscription = deps.bus.onConnection(() => this.look());
    this.look();
  }

  get isThere(): boolean {
    return this.#deps.bus.connected || this.#deps.hearing() > 0;
  }

  /** To be called when `hearing` has changed. */
  look(): void {
    this.#aloneSinceMs = this.isThere ? undefined : (this.#aloneSinceMs ?? this.#deps.clock.now());
  }

  /** @throws ServingError UNAVAILABLE when neither has been there for CUT_OFF_MS */
  check(): void {
    if (this.#aloneSinceMs === undefined || this.#deps.clock.now() - this.#aloneSinceMs < CUT_OFF_MS) return;
    throw new ServingError("UNAVAILABLE", "this gateway reaches neither NATS nor any node at the moment: try another gateway, or later", {
      reason: "cut_off",
    });
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }
}
