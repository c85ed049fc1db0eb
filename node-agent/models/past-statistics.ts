/** What loads that are over have done, so that no counter goes back when a model is loaded again or unloaded. */
import type { NodeModelStatistics } from "../../core/messages/model-statistics.ts";
import { statisticsAtRest, sumStatistics } from "../../core/messages/model-statistics-sum.ts";

/** Versions that are remembered; the longest untouched go first. */
const VERSIONS_MAX = 1_000;

export class PastStatistics {
  /** By `model/version`. */
  readonly #sums = new Map<string, NodeModelStatistics>();

  /** @param last what the load had counted when it was over; undefined: it was never open */
  add(last: NodeModelStatistics | undefined): void {
    if (last === undefined) return;
    const { model, version } = last;
    const key = `${model}/${version}`;
    const over = statisticsAtRest(last);
    const before = this.#sums.get(key);
    this.#sums.delete(key);
    this.#sums.set(key, sumStatistics({ model, version, past: true }, before === undefined ? [over] : [before, over]));
    for (const [oldest] of this.#sums) if (this.#sums.size > VERSIONS_MAX) this.#sums.delete(oldest);
  }

  all(): readonly NodeModelStatistics[] {
    return [...this.#sums.values()];
  }
}
