/** Turns a complete and checked configuration message into the plain values that the rest of Nereid uses. Pure. */
import {
  BatchInput_KindSchema,
  DataType,
  ModelInstanceGroup_Kind as InstanceKind,
  type ModelConfig,
  type ModelInput,
  type ModelInstanceGroup,
  type ModelOptimizationPolicy,
  type ModelOutput,
  type ModelWarmup,
} from "../../../protos/gen/model_config_pb.ts";
import { assert } from "../../errors.ts";
import type { Dtype } from "../../tensor/dtype.ts";
import type { Shape } from "../../tensor/tensor.ts";
import type {
  BatchInputConfiguration,
  BatchInputKind,
  InputConfiguration,
  InstanceGroup,
  ModelConfiguration,
  OptimizationConfiguration,
  OutputConfiguration,
  TensorConfiguration,
  WarmupSample,
} from "./configuration.ts";
import { dtypeOf } from "./data-type.ts";
import { toScheduler } from "./to-scheduler.ts";
import type { VersionPolicy } from "./version-policy.ts";

/** @param config normalized and without problems: what is missing here is a bug */
export function toConfiguration(config: ModelConfig): ModelConfiguration {
  return {
    name: config.name,
    platform: config.platform === "" ? config.backend : config.platform,
    backend: config.backend,
    versionPolicy: toVersionPolicy(config),
    maxBatchSize: config.maxBatchSize,
    inputs: config.input.map((input) => toInput(input, config.maxBatchSize)),
    outputs: config.output.map((output) => toOutput(output, config.maxBatchSize)),
    batchInputs: config.batchInput.map(toBatchInput),
    batchOutputs: config.batchOutput.map(({ targetName, sourceInput }) => ({ targets: targetName, source: sourceInput[0] ?? "" })),
    scheduler: toScheduler(config),
    instanceGroups: config.instanceGroup.map(toInstanceGroup),
    responseCache: config.responseCache?.enable ?? false,
    decoupled: config.modelTransactionPolicy?.decoupled ?? false,
    parameters: new Map(Object.entries(config.parameters).map(([name, { stringValue }]) => [name, stringValue])),
    warmups: config.modelWarmup.map(toWarmup),
    optimization: toOptimization(config.optimization),
    modelFile: config.defaultModelFilename,
    histogramBuckets: toHistogramBuckets(config),
  };
}

export const toShape = (sizes: readonly bigint[]): Shape => sizes.map(Number);

export function toDtype(type: DataType): Dtype {
  const dtype = dtypeOf(type);
  assert(dtype !== undefined, `datatype ${type} was checked`);
  return dtype;
}

export function toVersionPolicy({ versionPolicy }: ModelConfig): VersionPolicy {
  const choice = versionPolicy?.policyChoice;
  if (choice?.case === "all") return { kind: "all" };
  if (choice?.case === "specific") return { kind: "specific", versions: choice.value.versions.map(Number) };
  return { kind: "latest", count: Math.max(choice?.value?.numVersions ?? 1, 1) };
}

function toTensor({ name, dataType, dims, reshape }: ModelInput | ModelOutput, maxBatchSize: number): TensorConfiguration {
  const own = toShape(dims);
  return {
    name,
    dtype: toDtype(dataType),
    dims: own,
    shape: maxBatchSize > 0 ? [-1, ...own] : own,
    reshape: reshape === undefined ? undefined : toShape(reshape.shape),
  };
}

function toInput(input: ModelInput, maxBatchSize: number): InputConfiguration {
  return {
    ...toTensor(input, maxBatchSize),
    optional: input.optional,
    ragged: input.allowRaggedBatch,
  };
}

const toOutput = (output: ModelOutput, maxBatchSize: number): OutputConfiguration => ({
  ...toTensor(output, maxBatchSize),
  labelFile: output.labelFilename === "" ? undefined : output.labelFilename,
});

function toBatchInput({ kind, targetName, dataType, sourceInput }: ModelConfig["batchInput"][number]): BatchInputConfiguration {
  const name = BatchInput_KindSchema.value[kind]?.name;
  assert(name !== undefined && isBatchInputKind(name), `batch input kind ${kind} was checked`);
  return { kind: name, targets: targetName, dtype: dataType === DataType.TYPE_INT32 ? "INT32" : "FP32", source: sourceInput[0] ?? "" };
}

const BATCH_INPUT_KINDS = {
  BATCH_ELEMENT_COUNT: true,
  BATCH_ACCUMULATED_ELEMENT_COUNT: true,
  BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO: true,
  BATCH_MAX_ELEMENT_COUNT_AS_SHAPE: true,
  BATCH_ITEM_SHAPE: true,
  BATCH_ITEM_SHAPE_FLATTEN: true,
} as const satisfies Record<BatchInputKind, true>;

const isBatchInputKind = (name: string): name is BatchInputKind => Object.hasOwn(BATCH_INPUT_KINDS, name);

function toInstanceGroup({ name, kind, count, passive, rateLimiter }: ModelInstanceGroup): InstanceGroup {
  const place = kind === InstanceKind.MODEL ? "model" : kind === InstanceKind.GPU ? "gpu" : "cpu";
  return {
    name,
    kind: place,
    count,
    passive,
    resources: (rateLimiter?.resources ?? []).map((resource) => ({ name: resource.name, global: resource.global, count: resource.count })),
    priority: Math.max(rateLimiter?.priority ?? 1, 1),
  };
}

/** Configurations say -1 for the basic optimizations, 1 for the extended ones, 2 for none, 0 for all. */
const GRAPH_LEVELS: Readonly<Record<string, 0 | 1 | 2>> = { "-1": 1, "1": 2, "2": 0 };

function toOptimization(optimization: ModelOptimizationPolicy | undefined): OptimizationConfiguration {
  return { graphLevel: GRAPH_LEVELS[String(optimization?.graph?.level)] ?? 99 };
}

function toWarmup({ name, batchSize, count, inputs }: ModelWarmup): WarmupSample {
  return {
    name,
    batchSize,
    count: Math.max(count, 1),
    inputs: Object.entries(inputs).map(([input, { dataType, dims, inputDataType }]) => ({
      name: input,
      dtype: toDtype(dataType),
      dims: toShape(dims),
      data:
        inputDataType.case === "inputDataFile"
          ? { kind: "file", file: inputDataType.value }
          : { kind: inputDataType.case === "randomData" ? "random" : "zero" },
    })),
  };
}

function toHistogramBuckets({ modelMetrics }: ModelConfig): ReadonlyMap<string, readonly number[]> {
  return new Map(
    (modelMetrics?.metricControl ?? []).map(({ metricIdentifier, metricOptions }) => [
      metricIdentifier?.family ?? "",
      metricOptions.value?.buckets ?? [],
    ]),
  );
}
