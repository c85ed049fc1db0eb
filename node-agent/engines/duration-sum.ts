/** How often something was done, and how long all of it took. Pure. */
import type { LatencyBins } from "../../core/telemetry/latency-bins.ts";

export interface Duration {
  readonly count: number;
  readonly ns: number;
}

export class DurationSum implements Duration {
  readonly bins: LatencyBins | undefined;
  count = 0;
  ns = 0;

  /** @param bins where single times are kept, too */
  constructor(bins?: LatencyBins) {
    this.bins = bins;
  }

  add(us: number): void {
    this.count += 1;
    this.ns += Math.max(0, Math.round(us * 1000));
    this.bins?.add(us);
  }

  snapshot(): Duration {
    return { count: this.count, ns: this.ns };
  }
}
