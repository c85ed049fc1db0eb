/**
 * A model's configuration as schedulers, engines and doors use it: complete, checked, in plain values. It is made once, at load,
 * by `toConfiguration`; nothing but core/model/config and the doors that answer with protobuf knows the messages behind it. Pure.
 */
import type { Dtype } from "../../tensor/dtype.ts";
import type { Shape } from "../../tensor/tensor.ts";
import type { VersionPolicy } from "./version-policy.ts";

export interface ModelConfiguration {
  readonly name: string;
  /** What metadata calls the platform: `onnxruntime_onnx`, `ensemble`, or the backend's name where there is no platform. */
  readonly platform: string;
  /** `onnxruntime`, `python`, `llm` …; empty for ensembles. */
  readonly backend: string;
  readonly versionPolicy: VersionPolicy;
  /** Largest batch; 0: tensors have no batch dimension. */
  readonly maxBatchSize: number;
  readonly inputs: readonly InputConfiguration[];
  readonly outputs: readonly OutputConfiguration[];
  readonly batchInputs: readonly BatchInputConfiguration[];
  readonly batchOutputs: readonly BatchOutputConfiguration[];
  readonly scheduler: SchedulerConfiguration;
  /** Empty for ensembles. */
  readonly instanceGroups: readonly InstanceGroup[];
  readonly responseCache: boolean;
  /** Any number of answers to a request. */
  readonly decoupled: boolean;
  readonly parameters: ReadonlyMap<string, string>;
  readonly warmups: readonly WarmupSample[];
  readonly optimization: OptimizationConfiguration;
  /** In the version's folder: `model.onnx`. Empty for ensembles. */
  readonly modelFile: string;
  /** Buckets of histograms by metric family. */
  readonly histogramBuckets: ReadonlyMap<string, readonly number[]>;
}

export interface TensorConfiguration {
  readonly name: string;
  readonly dtype: Dtype;
  /** As configured, without the batch dimension; -1 is a size that varies. */
  readonly dims: Shape;
  /** What clients send and see: `dims`, after -1 where the model batches. */
  readonly shape: Shape;
  /** What the model file sees instead of `dims`, without the batch dimension; undefined: the same. */
  readonly reshape: Shape | undefined;
}

export interface InputConfiguration extends TensorConfiguration {
  /** A request may leave it out. */
  readonly optional: boolean;
  /** Requests of different shapes share a batch; the model gets their elements flat, one after the other. */
  readonly ragged: boolean;
}

export interface OutputConfiguration extends TensorConfiguration {
  /** Names of classes, a line each, in the model's folder; undefined: none. */
  readonly labelFile: string | undefined;
}

export type BatchInputKind =
  | "BATCH_ELEMENT_COUNT"
  | "BATCH_ACCUMULATED_ELEMENT_COUNT"
  | "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO"
  | "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE"
  | "BATCH_ITEM_SHAPE"
  | "BATCH_ITEM_SHAPE_FLATTEN";

/** A tensor that is computed from the batch and given to the model under each of `targets`. */
export interface BatchInputConfiguration {
  readonly kind: BatchInputKind;
  readonly targets: readonly string[];
  readonly dtype: "INT32" | "FP32";
  readonly source: string;
}

/** Outputs whose varying sizes are those of the source input, request by request. */
export interface BatchOutputConfiguration {
  readonly targets: readonly string[];
  readonly source: string;
}

export type SchedulerConfiguration =
  /** Each request is a batch of its own. */
  { readonly kind: "default" } | DynamicBatching | SequenceBatching | EnsembleScheduling;

export interface DynamicBatching {
  readonly kind: "dynamic";
  /** Ascending, each once. */
  readonly preferredBatchSizes: readonly number[];
  readonly maxQueueDelayUs: number;
  readonly preserveOrdering: boolean;
  /** 1 is the most urgent; 0: requests have no levels. */
  readonly priorityLevels: number;
  readonly defaultPriorityLevel: number;
  readonly defaultQueuePolicy: QueuePolicy;
  /** By level; others follow the default policy. */
  readonly priorityQueuePolicies: ReadonlyMap<number, QueuePolicy>;
}

export interface QueuePolicy {
  readonly timeoutAction: "reject" | "delay";
  /** 0: none. */
  readonly defaultTimeoutUs: number;
  readonly allowTimeoutOverride: boolean;
  /** 0: unlimited. */
  readonly maxQueueSize: number;
}

export interface SequenceBatching {
  readonly kind: "sequence";
  readonly strategy: DirectStrategy | OldestStrategy;
  readonly idleUs: number;
  readonly controls: readonly SequenceControl[];
  readonly states: readonly SequenceState[];
  readonly iterative: boolean;
}

export interface DirectStrategy {
  readonly kind: "direct";
  readonly maxQueueDelayUs: number;
  /** 0: run as soon as one row is ready. */
  readonly minimumSlotUtilization: number;
}

export interface OldestStrategy {
  readonly kind: "oldest";
  /** At least 1. */
  readonly maxCandidateSequences: number;
  /** Ascending, each once. */
  readonly preferredBatchSizes: readonly number[];
  readonly maxQueueDelayUs: number;
  readonly preserveOrdering: boolean;
}

/** A tensor that the server adds: shape [1] for a request, [batch, 1] in a batch. */
export type SequenceControl =
  | {
      readonly kind: "start" | "ready" | "end";
      readonly name: string;
      readonly dtype: "INT32" | "FP32" | "BOOL";
      /** Booleans are 0 and 1. */
      readonly falseValue: number;
      readonly trueValue: number;
    }
  | { readonly kind: "corrid"; readonly name: string; readonly dtype: "UINT64" | "INT64" | "UINT32" | "INT32" | "BYTES" };

/** A tensor that a sequence carries from one request to its next. */
export interface SequenceState {
  readonly inputName: string;
  readonly outputName: string;
  readonly dtype: Dtype;
  /** Without the batch dimension; -1 varies. */
  readonly dims: Shape;
  /** `file` lies in the model's `initial_state` folder; `none`: unspecified, made of zeros here. */
  readonly initial:
    | { readonly kind: "none" }
    | { readonly kind: "zero"; readonly dims: Shape }
    | { readonly kind: "file"; readonly file: string; readonly dims: Shape };
}

export interface EnsembleScheduling {
  readonly kind: "ensemble";
  readonly steps: readonly EnsembleStep[];
  /** Of each step, over all requests; 0: unlimited. */
  readonly maxInflightRequests: number;
}

export interface EnsembleStep {
  readonly model: string;
  /** undefined: the highest that is ready. */
  readonly version: number | undefined;
  /** From the step's inputs to the ensemble's tensors. */
  readonly inputs: ReadonlyMap<string, string>;
  /** From the step's outputs to the ensemble's tensors. */
  readonly outputs: ReadonlyMap<string, string>;
}

export interface InstanceGroup {
  readonly name: string;
  readonly kind: "cpu" | "gpu" | "model";
  /** Executors, each of one batch at a time. */
  readonly count: number;
  /** Made ready, but given no work. */
  readonly passive: boolean;
  /** What an execution holds while it runs. */
  readonly resources: readonly { readonly name: string; readonly global: boolean; readonly count: number }[];
  /** An instance of priority 2 gets half the turns of one of priority 1; at least 1. */
  readonly priority: number;
}

export interface OptimizationConfiguration {
  /** ONNX Runtime's graph optimization level. */
  readonly graphLevel: 0 | 1 | 2 | 99;
}

export interface WarmupSample {
  readonly name: string;
  /** Requests in the sample's batch, each with one row; 0: the sample is skipped. */
  readonly batchSize: number;
  /** At least 1. */
  readonly count: number;
  readonly inputs: readonly WarmupInput[];
}

export interface WarmupInput {
  readonly name: string;
  readonly dtype: Dtype;
  /** Without the batch dimension; nothing varies. */
  readonly dims: Shape;
  /** `file` lies in the model's `warmup` folder. */
  readonly data: { readonly kind: "zero" } | { readonly kind: "random" } | { readonly kind: "file"; readonly file: string };
}
