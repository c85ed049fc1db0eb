/** What the KServe doors know of models, language models and whole ones alike: the port between protocols and the fleet. */
import type { PublishedModel, TensorSpec } from "../../core/model/published-model.ts";

export type { TensorSpec };

/** A version of a model that is ready to serve, language models included. It runs requests once where one that it calls does. */
export interface ModelView extends PublishedModel {
  /** All ready versions, ascending. */
  readonly versions: readonly string[];
}

export interface ModelCatalog {
  /**
   * @param version undefined: the highest ready one
   * @throws ServingError with Triton's texts (kserve-http.md 3.5): NOT_FOUND, UNAVAILABLE.
   */
  view(name: string, version: number | undefined): ModelView;
  isReady(name: string, version: number | undefined): boolean;
  /** Whether the server is ready: with strict readiness every model that should be is. */
  allReady(): boolean;
}

export type ModelVersionState = "READY" | "UNAVAILABLE" | "LOADING" | "UNLOADING";

/** A row of the repository index; a model that nobody has loaded has only its name. */
export interface ModelIndexEntry {
  readonly name: string;
  readonly version?: string;
  readonly state?: ModelVersionState;
  readonly reason?: string;
}

export interface LoadOverrides {
  /** A whole configuration as JSON, instead of the file's. */
  readonly config?: string;
  /** Model files by `version/path`, instead of the repository's. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** A request asked for it: it may be unloaded for another one. */
  readonly onDemand?: boolean;
}

/** Brings what requests ask for and is not there. */
export interface ModelDemand {
  /**
   * To be awaited where it is not undefined, as it is for what serves. Resolves when the model takes requests, or when there is no such
   * model, which the catalog says better.
   * @throws ServingError why it cannot be loaded, RESOURCE_EXHAUSTED; the signal's reason
   */
  ready(model: string, signal: AbortSignal): Promise<void> | undefined;
}

export interface ModelControl {
  index(): Promise<readonly ModelIndexEntry[]>;
  /** Resolves when all versions under the policy are ready. @throws ServingError with Triton's texts (model-repository.md 4). */
  load(name: string, overrides: LoadOverrides, signal: AbortSignal): Promise<void>;
  /** Resolves at once; what runs is finished first. */
  unload(name: string, options: { readonly dependents: boolean }): Promise<void>;
}

/** A count and the nanoseconds of all of them together. */
export interface StatisticDuration {
  readonly count: bigint;
  readonly ns: bigint;
}

export const DURATION_NAMES = [
  "success",
  "fail",
  "queue",
  "compute_input",
  "compute_infer",
  "compute_output",
  "cache_hit",
  "cache_miss",
] as const;
export type DurationName = (typeof DURATION_NAMES)[number];

export const RESPONSE_DURATION_NAMES = ["compute_infer", "compute_output", "success", "fail", "empty_response", "cancel"] as const;
export type ResponseDurationName = (typeof RESPONSE_DURATION_NAMES)[number];

/** As the statistics extension defines them (extensions.md section 1), for one version. */
export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Unix milliseconds; 0: never. */
  readonly lastInferenceMs: bigint;
  readonly inferenceCount: bigint;
  readonly executionCount: bigint;
  readonly durations: Readonly<Record<DurationName, StatisticDuration>>;
  /** Of models that answer any number of times, by an answer's place in its request; else empty. */
  readonly responses: readonly Readonly<Record<ResponseDurationName, StatisticDuration>>[];
  /** By batch size, ascending. */
  readonly batches: readonly {
    readonly batchSize: bigint;
    readonly computeInput: StatisticDuration;
    readonly computeInfer: StatisticDuration;
    readonly computeOutput: StatisticDuration;
  }[];
  /** Of the processes that run it, on all nodes; 0: not known. */
  readonly memoryBytes: bigint;
}

export interface ModelStatisticsSource {
  /** Of one model, or of all where no name is given; gathered from all nodes. @throws ServingError INVALID_ARGUMENT with Triton's text. */
  statistics(name: string | undefined, version: number | undefined, signal: AbortSignal): Promise<readonly ModelStatistics[]>;
}
