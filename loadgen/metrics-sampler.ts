/** Reads a server's metrics again and again while a level is measured. */
import { type LinkedSignal, linkedSignal } from "../core/abort.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { LoadPlan } from "./load-plan.ts";
import { type MetricsLook, type ServerMetric, serverMetrics } from "./server-metrics.ts";

export class MetricsSampler implements AsyncDisposable {
  readonly #looks: MetricsLook[] = [];
  readonly #stop: LinkedSignal;
  readonly #done: Promise<void>;

  constructor(metrics: LoadPlan["metrics"], clock: Clock, signal: AbortSignal) {
    this.#stop = linkedSignal(signal);
    this.#done = metrics === undefined ? Promise.resolve() : this.#sample(metrics, clock);
    this.#done.catch(() => {}); // told by `end`
  }

  /** @throws ServingError UNAVAILABLE when there are no metrics */
  async end(): Promise<readonly ServerMetric[]> {
    this.#stop.abort(new ServingError("CANCELLED", "the level is over"));
    await this.#done;
    return serverMetrics(this.#looks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ServingError("CANCELLED", "the level is over"));
    this.#stop[Symbol.dispose]();
    await this.#done.catch(() => {});
  }

  async #sample({ url, intervalMs }: { readonly url: string; readonly intervalMs: number }, clock: Clock): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#looks.push({ atMs: clock.now(), text: await metricsText(url) });
      await sleep(clock, intervalMs, signal).catch(() => {}); // the loop's condition sees the end
    }
    this.#looks.push({ atMs: clock.now(), text: await metricsText(url) });
  }
}

async function metricsText(url: string): Promise<string> {
  try {
    return await (await fetch(url)).text();
  } catch (cause) {
    throw new ServingError("UNAVAILABLE", `no metrics at ${url}: name them with --metrics-url, or leave out --collect-metrics`, { cause });
  }
}
