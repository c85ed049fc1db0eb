/** What servers answer about themselves and their models, the same over every protocol. 64-bit counters keep all their digits. */
import type { Dtype } from "../core/tensor/dtype.ts";
import type { Shape } from "../core/tensor/tensor.ts";

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

/** An input or output of a model; -1 in the shape is any size. */
export interface TensorMetadata {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
}

export interface ModelMetadata {
  readonly name: string;
  /** All that are ready; the one asked for where one was. */
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** A model's configuration by the names of config.pbtxt; what is not named here is there as well. */
export interface ModelConfig {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  /** 0: the model takes no batches. */
  readonly max_batch_size: number;
  readonly [field: string]: unknown;
}

/** A row of the repository index; a model that nobody has loaded has only its name. */
export interface ModelIndexEntry {
  readonly name: string;
  readonly version?: string;
  /** Such as READY or UNAVAILABLE. */
  readonly state?: string;
  readonly reason?: string;
}

/** How often, and the nanoseconds of all times together. */
export interface Duration {
  readonly count: bigint;
  readonly ns: bigint;
}

export const INFER_DURATIONS = [
  "success",
  "fail",
  "queue",
  "computeInput",
  "computeInfer",
  "computeOutput",
  "cacheHit",
  "cacheMiss",
] as const;
export const RESPONSE_DURATIONS = ["computeInfer", "computeOutput", "success", "fail", "emptyResponse", "cancel"] as const;
export const BATCH_DURATIONS = ["computeInput", "computeInfer", "computeOutput"] as const;

export type Durations<Name extends string> = { readonly [N in Name]: Duration };

export interface BatchStatistics extends Durations<(typeof BATCH_DURATIONS)[number]> {
  readonly batchSize: bigint;
}

export interface MemoryUsage {
  readonly type: string;
  readonly id: bigint;
  readonly byteSize: bigint;
}

export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Unix milliseconds; 0: never. */
  readonly lastInference: bigint;
  /** Elements of batches, without answers from the cache. */
  readonly inferenceCount: bigint;
  readonly executionCount: bigint;
  readonly inferenceStats: Durations<(typeof INFER_DURATIONS)[number]>;
  /** By batch size, one entry for each that ran. */
  readonly batchStats: readonly BatchStatistics[];
  readonly memoryUsage: readonly MemoryUsage[];
  /** Of models that stream, by the index of the response. */
  readonly responseStats: Readonly<Record<string, Durations<(typeof RESPONSE_DURATIONS)[number]>>>;
}

/** A registered region of system shared memory. */
export interface SystemRegion {
  readonly name: string;
  /** Of the object under /dev/shm, such as `/input`. */
  readonly key: string;
  readonly offset: bigint;
  readonly byteSize: bigint;
}

/** Settings of traces by name; each has one value or several. */
export type TraceSettings = Readonly<Record<string, string | readonly string[]>>;

export type LogSettings = Readonly<Record<string, string | number | boolean>>;
