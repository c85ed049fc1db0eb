/** The metrics of one process, made from the table, with Prometheus's client behind them. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { METRICS } from "./metrics-table.ts";

type Table = typeof METRICS;
type LabelsOf<Name extends keyof Table> = Readonly<Record<Table[Name]["labels"][number], string>>;

export interface CounterOf<Labels> {
  inc(labels: Labels, by?: number): void;
  /** Counts one more with these labels: to be made once, for what every request counts. */
  counting(labels: Labels): () => void;
}
export interface GaugeOf<Labels> {
  set(labels: Labels, value: number): void;
  add(labels: Labels, by: number): void;
}
export interface HistogramOf<Labels> {
  observe(labels: Labels, value: number): void;
}

interface KindOf<Labels> {
  counter: CounterOf<Labels>;
  gauge: GaugeOf<Labels>;
  histogram: HistogramOf<Labels>;
}

export type Metrics = { readonly [Name in keyof Table]: KindOf<LabelsOf<Name>>[Table[Name]["type"]] } & Disposable & {
    /** Called before each scrape, to bring gauges up to date. @returns what stops the calls. */
    onScrape(update: () => void): () => void;
    /** All metrics in Prometheus's text form. */
    metricsText(): Promise<string>;
    /** The Content-Type of that text. */
    readonly contentType: string;
  };

/** A look is a wake-up: a hundred a second took most of what a process needs that is asked nothing. */
const LOOP_LOOK_MS = 100;

/** One set per process; disposing it stops watching the event loop. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const loop = monitorEventLoopDelay({ resolution: LOOP_LOOK_MS });
  loop.enable();
  const updates = new Set<() => void>();
  const counter = <Name extends keyof Table>(key: Name): CounterOf<LabelsOf<Name>> => {
    const { name, help, labels } = METRICS[key];
    const made = new Counter<string>({ name, help, labelNames: labels, registers: [registry] });
    return { inc: (values, by = 1) => made.inc({ ...values }, by), counting: (values) => tallied(made, { ...values }) };
  };
  /** A plain number until somebody looks. */
  const tallied = (made: Counter<string>, labels: Record<string, string>) => {
    let count = 0;
    updates.add(() => {
      if (count > 0) made.inc(labels, count);
      count = 0;
    });
    return () => {
      count += 1;
    };
  };
  const gauge = <Name extends keyof Table>(key: Name): GaugeOf<LabelsOf<Name>> => {
    const { name, help, labels } = METRICS[key];
    const made = new Gauge<string>({ name, help, labelNames: labels, registers: [registry] });
    return { set: (values, value) => made.set({ ...values }, value), add: (values, by) => made.inc({ ...values }, by) };
  };
  const histogram = <Name extends "timeToFirstToken" | "interToken">(key: Name): HistogramOf<LabelsOf<Name>> => {
    const { name, help, labels, buckets } = METRICS[key];
    const made = new Histogram<string>({ name, help, labelNames: labels, buckets: [...buckets], registers: [registry] });
    return { observe: (values, value) => made.observe({ ...values }, value) };
  };
  const eventLoopDelay = gauge("eventLoopDelay");
  return {
    requests: counter("requests"),
    timeToFirstToken: histogram("timeToFirstToken"),
    interToken: histogram("interToken"),
    promptTokens: counter("promptTokens"),
    completionTokens: counter("completionTokens"),
    generationsCanceled: counter("generationsCanceled"),
    generationsRerouted: counter("generationsRerouted"),
    generationsMoved: counter("generationsMoved"),
    copiesChanged: counter("copiesChanged"),
    generationsResumed: counter("generationsResumed"),
    submitsResent: counter("submitsResent"),
    generationsInFlight: gauge("generationsInFlight"),
    generationsQueued: gauge("generationsQueued"),
    slotsBusy: gauge("slotsBusy"),
    slots: gauge("slots"),
    steps: counter("steps"),
    prefillTokens: counter("prefillTokens"),
    sharedTokens: counter("sharedTokens"),
    runnerRestarts: counter("runnerRestarts"),
    eventLoopDelay,
    contentType: registry.contentType,
    onScrape(update) {
      updates.add(update);
      return () => updates.delete(update);
    },
    async metricsText() {
      for (const update of updates) update();
      // What Node measures is the time from look to look.
      eventLoopDelay.set({}, loop.count === 0 ? 0 : Math.max(0, loop.percentile(99) / 1e6 - LOOP_LOOK_MS) / 1e3);
      loop.reset();
      return await registry.metrics();
    },
    [Symbol.dispose]: () => loop.disable(),
  };
}
