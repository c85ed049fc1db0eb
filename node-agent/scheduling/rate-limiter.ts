/**
 * Which instance may execute next when instances of several models share counted resources: Triton's rate limiter in mode
 * `execution_count`. Those that want to execute stand in one order, by executions times priority; only its head is tried, so
 * that a big need is not starved by small ones. Pure.
 */
import { assert, ServingError } from "../../core/errors.ts";
import type { ResourceLimit } from "../../core/scheduling-options.ts";

export interface ResourceNeed {
  readonly name: string;
  readonly count: number;
  /** One amount for the whole node instead of one for each device. */
  readonly global: boolean;
}

export interface RatedInstance {
  readonly needs: readonly ResourceNeed[];
  /** 2 has half the turns of 1; 0 counts as 1. */
  readonly priority: number;
  /** The device whose resources it needs. */
  readonly device: number;
}

interface Entry {
  /** Executions, times its priority. */
  turns: number;
  state: "resting" | "waiting" | "executing";
  /** Counts up with every wish: equal turns go first come, first served. */
  since: number;
}

export class RateLimiter {
  readonly #limits: readonly ResourceLimit[];
  readonly #entries = new Map<RatedInstance, Entry>();
  /** What executing instances hold, by resource. */
  readonly #held = new Map<string, number>();
  #wishes = 0;

  /** @param limits what there is; of a resource that is not named: as much as the neediest instance needs */
  constructor(limits: readonly ResourceLimit[]) {
    this.#limits = limits;
  }

  /** @throws ServingError INVALID_ARGUMENT when it could never execute. */
  add(instance: RatedInstance): void {
    for (const need of instance.needs) {
      const limit = this.#limit(instance, need);
      if (limit !== undefined && limit < need.count)
        throw new ServingError(
          "INVALID_ARGUMENT",
          `Resource count for "${need.name}" is limited to ${limit} which will prevent scheduling of one or more model instances, the minimum required count is ${need.count}`,
        );
    }
    // One that comes later has no turns to catch up on.
    const turns = Math.min(...Array.from(this.#entries.values(), (entry) => entry.turns));
    this.#entries.set(instance, { turns: Number.isFinite(turns) ? turns : 0, state: "resting", since: 0 });
  }

  /** What it holds is free again. */
  remove(instance: RatedInstance): void {
    if (this.#entries.get(instance)?.state === "executing") this.#give(instance, -1);
    this.#entries.delete(instance);
  }

  /** It has something to execute; nothing changes when it waits or executes already. */
  want(instance: RatedInstance): void {
    const entry = this.#entry(instance);
    if (entry.state !== "resting") return;
    entry.state = "waiting";
    entry.since = ++this.#wishes;
  }

  /** It has nothing to execute any more. */
  unwant(instance: RatedInstance): void {
    const entry = this.#entry(instance);
    if (entry.state === "waiting") entry.state = "resting";
  }

  /** The one that may execute now, which holds its resources from then on; undefined: nobody, or not enough for the first in order. */
  grant(): RatedInstance | undefined {
    const head = this.#head();
    if (head === undefined || !this.#suffices(head)) return undefined;
    const entry = this.#entry(head);
    entry.state = "executing";
    entry.turns += Math.max(1, head.priority);
    this.#give(head, 1);
    return head;
  }

  /** It has executed. */
  release(instance: RatedInstance): void {
    const entry = this.#entry(instance);
    assert(entry.state === "executing", "only what executes is released");
    entry.state = "resting";
    this.#give(instance, -1);
  }

  #head(): RatedInstance | undefined {
    let head: RatedInstance | undefined;
    let best: Entry | undefined;
    for (const [instance, entry] of this.#entries) {
      if (entry.state !== "waiting") continue;
      if (best !== undefined && (entry.turns > best.turns || (entry.turns === best.turns && entry.since > best.since))) continue;
      head = instance;
      best = entry;
    }
    return head;
  }

  #suffices(instance: RatedInstance): boolean {
    return instance.needs.every((need) => {
      const held = this.#held.get(resourceKey(instance, need)) ?? 0;
      return held + need.count <= (this.#limit(instance, need) ?? this.#neediest(instance, need));
    });
  }

  #give(instance: RatedInstance, sign: 1 | -1): void {
    for (const need of instance.needs) {
      const key = resourceKey(instance, need);
      this.#held.set(key, (this.#held.get(key) ?? 0) + sign * need.count);
    }
  }

  #limit({ device }: RatedInstance, { name, global }: ResourceNeed): number | undefined {
    const named = this.#limits.filter((limit) => limit.name === name);
    const own = global ? undefined : named.find((limit) => limit.device === device);
    return (own ?? named.find((limit) => limit.device === undefined))?.count;
  }

  #neediest(instance: RatedInstance, need: ResourceNeed): number {
    const key = resourceKey(instance, need);
    let most = 0;
    for (const other of this.#entries.keys())
      for (const its of other.needs) if (resourceKey(other, its) === key) most = Math.max(most, its.count);
    return most;
  }

  #entry(instance: RatedInstance): Entry {
    const entry = this.#entries.get(instance);
    assert(entry !== undefined, "the instance was added to the rate limiter");
    return entry;
  }
}

const resourceKey = ({ device }: RatedInstance, { name, global }: ResourceNeed): string => (global ? name : `${name}@${device}`);
