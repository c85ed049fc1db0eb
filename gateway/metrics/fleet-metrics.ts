/** What `/metrics` says of all nodes: asked for at each scrape, counted on where a node is silent or gone. */
import type { Clock } from "../../core/clock.ts";
import { jsonField } from "../../core/model/json-value.ts";
import { expositionText, type MetricFamily } from "../../core/telemetry/exposition.ts";
import { type GatheredMetric, TRITON_METRICS } from "../../core/telemetry/gathered-metrics-table.ts";
import type { TelemetryOptions } from "../../core/telemetry/options.ts";
import type { Fleet } from "../control/fleet.ts";
import { type GatherDeps, gatherStatistics } from "../serving/gather-statistics.ts";
import type { ModelViews } from "../serving/model-views.ts";
import { type CacheStatistics, CountedSoFar } from "./counted-so-far.ts";
import { customFamilies } from "./custom-series.ts";
import { fleetFamilies, MachineSeries } from "./machine-series.ts";
import { type MetricsConfig, parseMetricsConfig } from "./metrics-config.ts";
import { type CountedModel, modelFamilies } from "./model-series.ts";
import { RecentLatencies } from "./recent-latencies.ts";

export interface FleetMetricsDeps extends GatherDeps {
  readonly fleet: Pick<Fleet, "nodes" | "shards">;
  readonly views: Pick<ModelViews, "served">;
  /** Whole models that should be ready: their series stay while nobody serves them. */
  readonly wanted: () => readonly { readonly model: string; readonly version: string }[];
  readonly clock: Clock;
}

export class FleetMetrics {
  readonly #config: MetricsConfig;
  readonly #cpuMetrics: boolean;
  readonly #deps: FleetMetricsDeps;
  readonly #counted = new CountedSoFar();
  readonly #recent = new RecentLatencies();
  readonly #machine: MachineSeries;
  /** By `model/version`: what is not served at the moment keeps its labels and bounds. */
  #configured: ReadonlyMap<string, Configured> = new Map();
  #asked: Promise<void> | undefined;

  /** @throws ServingError INVALID_ARGUMENT when `metricsConfig` is not what it may be */
  constructor(options: Pick<TelemetryOptions, "metricsConfig" | "allowCpuMetrics" | "metricsIntervalMs">, deps: FleetMetricsDeps) {
    this.#config = parseMetricsConfig(options.metricsConfig);
    this.#cpuMetrics = options.allowCpuMetrics;
    this.#deps = deps;
    this.#machine = new MachineSeries(deps.clock, options.metricsIntervalMs);
  }

  /** In Prometheus' text form. @throws the signal's reason */
  async text(signal: AbortSignal): Promise<string> {
    this.#asked ??= this.#ask(signal).finally(() => {
      this.#asked = undefined;
    });
    await this.#asked;
    const here = new Set(this.#deps.fleet.nodes().map(({ heartbeat }) => heartbeat.incarnation));
    const models = this.#models(here);
    const own = [
      ...modelFamilies(models, this.#config),
      ...cacheFamilies(this.#counted.cache(here)),
      ...(this.#cpuMetrics ? this.#machine.families() : []),
      ...fleetFamilies(this.#deps.fleet),
    ];
    const series = models.flatMap(({ sum: { custom = [] } }) => custom);
    return expositionText([...own, ...customFamilies(series)]);
  }

  async #ask(signal: AbortSignal): Promise<void> {
    this.#counted.hear(await gatherStatistics("", this.#deps, signal));
  }

  /** Of versions that are served, or should be: an unloaded model's series are gone. */
  #models(here: ReadonlySet<string>): readonly CountedModel[] {
    const served = new Map(this.#deps.views.served().map(({ model }) => [`${model.name}/${model.version}`, model]));
    const keys = new Set([...served.keys(), ...this.#deps.wanted().map(({ model, version }) => `${model}/${version}`)]);
    const configured = (key: string): Configured => {
      const config = served.get(key)?.configJson;
      return config === undefined ? (this.#configured.get(key) ?? { tags: {}, buckets: {} }) : configuredMetrics(config);
    };
    this.#configured = new Map([...keys].map((key) => [key, configured(key)]));
    const counted = this.#counted.models(here);
    const recent = this.#config.summaryLatencies ? this.#recent.recent(counted, this.#deps.clock.now()) : undefined;
    return [...keys].toSorted().flatMap((key) => {
      const sum = counted.get(key);
      return sum === undefined ? [] : [{ sum, ...configured(key), recent: recent?.get(key) ?? sum.latencies }];
    });
  }
}

function cacheFamilies(cache: CacheStatistics | undefined): readonly MetricFamily[] {
  if (cache === undefined) return [];
  const one = (described: GatheredMetric, value: number): MetricFamily => ({ described, samples: [{ labels: {}, value }] });
  return [
    one(TRITON_METRICS.cacheUtilization, cache.bytesMax === 0 ? 0 : cache.bytes / cache.bytesMax),
    one(TRITON_METRICS.cacheEntries, cache.entries),
    one(TRITON_METRICS.cacheLookups, cache.lookups),
    one(TRITON_METRICS.cacheHits, cache.hits),
    one(TRITON_METRICS.cacheMisses, cache.misses),
    one(TRITON_METRICS.cacheEvictions, cache.evictions),
  ];
}

type Configured = Pick<CountedModel, "tags" | "buckets">;

/** @param configJson Triton's JSON of the configuration, which has been checked */
function configuredMetrics(configJson: string): Configured {
  const config: unknown = JSON.parse(configJson);
  const tags = Object.entries(jsonField(config, "metric_tags") ?? {}).map(([tag, value]) => [tag, String(value)]);
  const controls = jsonField(jsonField(config, "model_metrics"), "metric_control");
  const buckets = (Array.isArray(controls) ? controls : []).flatMap((control: unknown) => {
    const family = jsonField(jsonField(control, "metric_identifier"), "family");
    const bounds = jsonField(jsonField(control, "histogram_options"), "buckets");
    return typeof family === "string" && Array.isArray(bounds) ? [[family, bounds.map(Number)]] : [];
  });
  return { tags: Object.fromEntries(tags), buckets: Object.fromEntries(buckets) };
}
