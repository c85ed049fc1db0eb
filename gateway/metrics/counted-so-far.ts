/**
 * What all nodes have counted since this gateway has known them: what a node said last holds while it is silent, and what it had
 * counted when it died stays counted, so that no counter goes back. Pure.
 */
import type { NodeModelStatistics, NodeStatistics } from "../../core/messages/model-statistics.ts";
import { statisticsAtRest, sumStatistics } from "../../core/messages/model-statistics-sum.ts";

export type CacheStatistics = NonNullable<NodeStatistics["cache"]>;

/** Agents that are gone and whose counts are kept apart, in case they were only silent; those gone longest are added up. */
const GONE_MAX = 64;

export class CountedSoFar {
  /** By the agent's incarnation, the latest heard last. */
  readonly #told = new Map<string, NodeStatistics>();
  /** Of agents that have been gone for long. */
  #gone: readonly NodeModelStatistics[] = [];

  hear(told: readonly NodeStatistics[]): void {
    for (const one of told) {
      this.#told.delete(one.incarnation);
      this.#told.set(one.incarnation, one);
    }
  }

  /**
   * By `model/version`. Only agents that are here have requests that wait, or memory.
   * @param here incarnations of the agents in the fleet
   */
  models(here: ReadonlySet<string>): ReadonlyMap<string, NodeModelStatistics> {
    this.#forget(here);
    const parts = new Map<string, NodeModelStatistics[]>();
    const add = (one: NodeModelStatistics) => {
      const key = `${one.model}/${one.version}`;
      const others = parts.get(key);
      if (others === undefined) parts.set(key, [one]);
      else others.push(one);
    };
    for (const [incarnation, { models }] of this.#told) for (const one of models) add(here.has(incarnation) ? one : statisticsAtRest(one));
    for (const one of this.#gone) add(one);
    return new Map([...parts].map(([key, same]) => [key, summed(same)]));
  }

  /** Of all nodes together; undefined where answers are kept nowhere. */
  cache(here: ReadonlySet<string>): CacheStatistics | undefined {
    let sum: CacheStatistics | undefined;
    for (const [incarnation, { cache }] of this.#told) {
      if (cache === undefined) continue;
      const now = here.has(incarnation) ? cache : { ...cache, entries: 0, bytes: 0, bytesMax: 0 };
      sum = sum === undefined ? now : addCaches(sum, now);
    }
    return sum;
  }

  #forget(here: ReadonlySet<string>): void {
    const gone = [...this.#told].filter(([incarnation]) => !here.has(incarnation));
    for (const [incarnation, { models }] of gone.slice(0, Math.max(0, gone.length - GONE_MAX))) {
      this.#told.delete(incarnation);
      const all = [...this.#gone, ...models.map(statisticsAtRest)];
      const keys = new Set(all.map(({ model, version }) => `${model}/${version}`));
      this.#gone = [...keys].map((key) => summed(all.filter(({ model, version }) => `${model}/${version}` === key)));
    }
  }
}

function summed(parts: readonly NodeModelStatistics[]): NodeModelStatistics {
  const [first] = parts;
  return sumStatistics({ model: first?.model ?? "", version: first?.version ?? "", past: false }, parts);
}

function addCaches(one: CacheStatistics, other: CacheStatistics): CacheStatistics {
  return {
    lookups: one.lookups + other.lookups,
    hits: one.hits + other.hits,
    misses: one.misses + other.misses,
    evictions: one.evictions + other.evictions,
    entries: one.entries + other.entries,
    bytes: one.bytes + other.bytes,
    bytesMax: one.bytesMax + other.bytesMax,
  };
}
