/** The metrics that the processes of one model keep together: what one sets or counts, all of them do. */
import { addedSeries, type CustomChange, type CustomSeries, seriesKey } from "../../core/messages/custom-metrics.ts";
import type { Logger } from "../../core/telemetry/logger.ts";

/** Each is told at every scrape: labels are for few values, not for ids of requests. */
const SERIES_MAX = 1_000;

export class CustomMetrics {
  readonly #model: string;
  readonly #logger: Logger;
  readonly #series = new Map<string, CustomSeries>();
  #hasWarned = false;

  constructor(model: string, logger: Logger) {
    this.#model = model;
    this.#logger = logger;
  }

  get series(): readonly CustomSeries[] {
    return [...this.#series.values()];
  }

  change(changes: readonly CustomChange[]): void {
    for (const { replaces, ...change } of changes) {
      const key = seriesKey(change);
      const before = this.#series.get(key);
      if (before === undefined && this.#series.size >= SERIES_MAX) {
        this.#warn(`has ${SERIES_MAX} series, more are left out: use labels of few values`);
        continue;
      }
      const after = before === undefined || (replaces && before.type === "gauge") ? change : addedSeries(before, change);
      if (after === undefined) this.#warn(`has two metrics '${change.family}' of different kinds or buckets: the later one is left out`);
      else this.#series.set(key, after);
    }
  }

  /** Once: what does it does it again. */
  #warn(what: string): void {
    if (!this.#hasWarned) this.#logger.warn({ model: this.#model }, `the model ${what}`);
    this.#hasWarned = true;
  }
}
