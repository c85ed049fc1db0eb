/**
 * Requests for models that serve, by all that is wanted, and of which no copy is there right now: their node has died or a stage is being
 * moved. New requests wait until a copy is back, here or elsewhere, for a limited time.
 */
import { type Clock, sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { modelName } from "../../core/ids.ts";
import type { WantedEntry } from "../../core/store/placement/wanted-models.ts";
import { compositionOf } from "../placement/composed.ts";
import { type Hosted, loadProgress } from "../placement/load-progress.ts";
import type { ModelDemand } from "./model-catalog.ts";

/** Requests that wait at this gateway. */
const PARKED_MAX = 1_000;
const LOOK_AGAIN_MS = 100;

export interface Patience {
  /**
   * To be called with why nobody took a request; resolves when it may be tried again.
   * @throws the error, where waiting does not help or has lasted since `sinceMs` for too long; the signal's reason
   */
  again(model: string, error: ServingError, sinceMs: number, signal: AbortSignal): Promise<void>;
}

export const NO_PATIENCE: Patience = { again: (_model, error) => Promise.reject(error) };

export interface ReturningModelsDeps {
  readonly entries: () => ReadonlyMap<string, WantedEntry>;
  readonly hosted: Hosted;
  /** Whether a version of the model takes requests at this gateway. */
  readonly isServed: (model: string) => boolean;
  /** @throws ServingError when waiting does not help, since no node can be reached at all */
  readonly checkReach: () => void;
  readonly clock: Clock;
  /** The longest wait; 0: nobody waits. */
  readonly waitMs: number;
}

export class ReturningModels implements ModelDemand, Patience, Disposable {
  readonly #deps: ReturningModelsDeps;
  #parked = 0;
  #closed = false;

  constructor(deps: ReturningModelsDeps) {
    this.#deps = deps;
  }

  ready(model: string, signal: AbortSignal): Promise<void> | undefined {
    return this.#deps.isServed(model) ? undefined : this.#wait(model, this.#deps.clock.now(), signal);
  }

  async again(model: string, error: ServingError, sinceMs: number, signal: AbortSignal): Promise<void> {
    const { clock, waitMs, checkReach } = this.#deps;
    checkReach();
    if (error.code !== "UNAVAILABLE" || clock.now() - sinceMs >= waitMs || !this.#isComing(model)) throw error;
    await sleep(clock, LOOK_AGAIN_MS, signal); // what refused may be taken for ready a moment longer
    await this.#wait(model, sinceMs, signal);
  }

  /** Resolves when the model takes requests, or is not expected any more: then the door says why. */
  async #wait(model: string, sinceMs: number, signal: AbortSignal): Promise<void> {
    const { isServed, checkReach, clock, waitMs } = this.#deps;
    if (isServed(model)) return;
    checkReach();
    if (waitMs === 0 || !this.#isComing(model)) return;
    if (this.#parked >= PARKED_MAX) throw away(model, `${this.#parked} requests wait for models already`);
    this.#parked += 1;
    try {
      while (!isServed(model) && this.#isComing(model)) {
        if (clock.now() - sinceMs >= waitMs) throw away(model, `none came back within ${waitMs} ms`);
        await sleep(clock, LOOK_AGAIN_MS, signal);
        checkReach();
      }
    } finally {
      this.#parked -= 1;
    }
  }

  /** It has been ready somewhere since it was loaded, is still wanted with all that it is composed of, and has not failed since. */
  #isComing(name: string): boolean {
    const entries = this.#deps.entries();
    const load = this.#closed ? undefined : entries.get(name)?.wanted.current;
    if (load === undefined || compositionOf(load, entries).missing.length > 0) return false;
    return loadProgress(modelName(name), load, this.#deps.hosted).kind !== "failed";
  }

  /** Nobody waits any more. */
  [Symbol.dispose](): void {
    this.#closed = true;
  }
}

function away(model: string, why: string): ServingError {
  return new ServingError("UNAVAILABLE", `no copy of model ${model} is there at the moment, and ${why}: try again later`, {
    reason: "model_away",
  });
}
