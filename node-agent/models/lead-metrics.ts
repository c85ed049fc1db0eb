/** Brings a lead's numbers into the metrics table at each scrape: the engine counts, nobody is called per token. */
import type { Metrics } from "../../core/telemetry/metrics.ts";
import type { GenerationEngine } from "../engines/generation-engine.ts";

/** @returns what ends it: a lead that is gone has no slots. */
export function watchLead(
  engine: GenerationEngine,
  labels: { readonly node: string; readonly model: string },
  metrics: Metrics,
): () => void {
  let steps = 0;
  let prefillTokens = 0;
  let sharedTokens = 0;
  const stop = metrics.onScrape(() => {
    const { slots, busySlots, queued } = engine.load();
    metrics.slots.set(labels, slots);
    metrics.slotsBusy.set(labels, busySlots);
    metrics.generationsQueued.set(labels, queued);
    const { counters } = engine;
    metrics.steps.inc(labels, counters.steps - steps);
    metrics.prefillTokens.inc(labels, counters.tokensPrefilled - prefillTokens);
    metrics.sharedTokens.inc(labels, counters.tokensShared - sharedTokens);
    steps = counters.steps;
    sharedTokens = counters.tokensShared;
    prefillTokens = counters.tokensPrefilled;
  });
  return () => {
    stop();
    for (const gauge of [metrics.slots, metrics.slotsBusy, metrics.generationsQueued]) gauge.set(labels, 0);
  };
}
