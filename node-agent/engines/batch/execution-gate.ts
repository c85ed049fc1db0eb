/** Where the instances of all models of a node wait for their counted resources: the rate limiter with somebody to tell. */
import type { ResourceLimit } from "../../../core/scheduling-options.ts";
import { type RatedInstance, RateLimiter } from "../../scheduling/rate-limiter.ts";

/** One instance's way through the gate. */
export interface GatePass {
  /** It has a batch to execute; `onGranted` tells when it may. Nothing changes when it waits already. */
  want(): void;
  /** It has none any more. */
  unwant(): void;
  /** It has executed what it was let in for. */
  leave(): void;
  /** The instance is gone, with whatever it holds. */
  close(): void;
}

export class ExecutionGate {
  readonly #limiter: RateLimiter;
  readonly #onGranted = new Map<RatedInstance, () => void>();

  /** @param limits what there is of each resource */
  constructor(limits: readonly ResourceLimit[]) {
    this.#limiter = new RateLimiter(limits);
  }

  /** @throws ServingError INVALID_ARGUMENT when the instance could never execute. */
  enter(needs: RatedInstance, onGranted: () => void): GatePass {
    const instance = { ...needs }; // one of its own, as equal ones are told apart
    this.#limiter.add(instance);
    this.#onGranted.set(instance, onGranted);
    const after = (act: () => void) => () => {
      act();
      this.#grant();
    };
    return {
      want: after(() => this.#limiter.want(instance)),
      unwant: after(() => this.#limiter.unwant(instance)),
      leave: after(() => this.#limiter.release(instance)),
      close: after(() => {
        this.#limiter.remove(instance);
        this.#onGranted.delete(instance);
      }),
    };
  }

  #grant(): void {
    for (let granted = this.#limiter.grant(); granted !== undefined; granted = this.#limiter.grant()) this.#onGranted.get(granted)?.();
  }
}
