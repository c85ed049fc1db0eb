/** Statistics of models as the statistics extension has them: gathered from every node, of the loads that serve now, added up. */
import { ServingError } from "../../core/errors.ts";
import type { NodeModelStatistics } from "../../core/messages/model-statistics.ts";
import { sumStatistics } from "../../core/messages/model-statistics-sum.ts";
import { type GatherDeps, gatherStatistics } from "./gather-statistics.ts";
import type { ModelDirectory } from "./generation/text-generation.ts";
import type { ModelStatistics, ModelStatisticsSource, StatisticDuration } from "./model-catalog.ts";
import type { ModelViews } from "./model-views.ts";

export interface FleetStatisticsDeps extends GatherDeps {
  readonly views: Pick<ModelViews, "served">;
  /** Language models. */
  readonly directory: ModelDirectory;
}

export class FleetStatistics implements ModelStatisticsSource {
  readonly #deps: FleetStatisticsDeps;

  constructor(deps: FleetStatisticsDeps) {
    this.#deps = deps;
  }

  async statistics(name: string | undefined, version: number | undefined, signal: AbortSignal): Promise<readonly ModelStatistics[]> {
    const served = this.#served().filter((model) => matches(model, name, version));
    if (name !== undefined && served.length === 0) throw this.#unknown(name);
    const told = (await gatherStatistics(name ?? "", this.#deps, signal)).flatMap(({ models }) => models);
    const versions = new Map(served.map((model) => [`${model.name}/${model.version}`, model]));
    return [...versions.values()]
      .map(({ name: model, version }) => {
        const parts = told.filter((one) => one.model === model && one.version === version && !one.past);
        return statisticsOf(sumStatistics({ model, version, past: false }, parts));
      })
      .toSorted((a, b) => (a.name === b.name ? Number(a.version) - Number(b.version) : a.name < b.name ? -1 : 1));
  }

  #served(): readonly ServedName[] {
    const { views, directory } = this.#deps;
    return [...views.served().map(({ model }) => model), ...directory.list().filter(({ readiness }) => readiness.kind === "ready")];
  }

  /** Triton's texts (extensions.md section 1). */
  #unknown(name: string): ServingError {
    const isServed = this.#served().some((model) => model.name === name);
    const text = isServed ? `requested model version is not available for model '${name}'` : `requested model '${name}' is not available`;
    return new ServingError("INVALID_ARGUMENT", text, { reason: "model_not_found" });
  }
}

interface ServedName {
  readonly name: string;
  readonly version: string;
}

function matches(model: ServedName, name: string | undefined, version: number | undefined): boolean {
  return (name === undefined || model.name === name) && (version === undefined || model.version === String(version));
}

function statisticsOf(sum: NodeModelStatistics): ModelStatistics {
  return {
    name: sum.model,
    version: sum.version,
    lastInferenceMs: BigInt(sum.lastInferenceMs),
    inferenceCount: BigInt(sum.inferenceCount),
    executionCount: BigInt(sum.executionCount),
    durations: {
      success: duration(sum.success),
      fail: duration(sum.fail),
      queue: duration(sum.queue),
      compute_input: duration(sum.computeInput),
      compute_infer: duration(sum.computeInfer),
      compute_output: duration(sum.computeOutput),
      cache_hit: duration(sum.cacheHit),
      cache_miss: duration(sum.cacheMiss),
    },
    responses: (sum.responses?.places ?? []).map((place) => ({
      compute_infer: duration(place.computeInfer),
      compute_output: duration(place.computeOutput),
      success: duration(place.success),
      fail: duration(place.fail),
      empty_response: duration(place.empty),
      cancel: duration(place.cancel),
    })),
    batches: sum.batches.map((batch) => ({
      batchSize: BigInt(batch.size),
      computeInput: duration(batch.computeInput),
      computeInfer: duration(batch.computeInfer),
      computeOutput: duration(batch.computeOutput),
    })),
    memoryBytes: BigInt(sum.residentBytes),
  };
}

function duration([count, ns]: readonly [count: number, ns: number]): StatisticDuration {
  return { count: BigInt(count), ns: BigInt(ns) };
}
