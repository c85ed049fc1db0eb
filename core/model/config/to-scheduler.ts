/** The scheduler's part of a configuration as plain values. Pure. */
import {
  type ModelSequenceBatching_Control as Control,
  ModelSequenceBatching_Control_Kind as Kind,
  type ModelConfig,
  type ModelDynamicBatching,
  type ModelEnsembling,
  type ModelQueuePolicy,
  type ModelSequenceBatching,
  type ModelSequenceBatching_State as State,
  ModelQueuePolicy_TimeoutAction as TimeoutAction,
} from "../../../protos/gen/model_config_pb.ts";
import { assert } from "../../errors.ts";
import type { ModelReference } from "../published-model.ts";
import type {
  DirectStrategy,
  DynamicBatching,
  EnsembleScheduling,
  OldestStrategy,
  QueuePolicy,
  SchedulerConfiguration,
  SequenceBatching,
  SequenceControl,
  SequenceState,
} from "./configuration.ts";
import { dtypeOf } from "./data-type.ts";

export function toScheduler({ schedulingChoice, maxBatchSize }: ModelConfig): SchedulerConfiguration {
  switch (schedulingChoice.case) {
    case "dynamicBatching":
      return toDynamicBatching(schedulingChoice.value);
    case "sequenceBatching":
      return toSequenceBatching(schedulingChoice.value, maxBatchSize);
    case "ensembleScheduling":
      return toEnsembleScheduling(schedulingChoice.value);
    case undefined:
      return { kind: "default" };
  }
}

/** Microseconds and levels: what passes 2^53 is as good as for ever. */
const toNumber = (value: bigint): number => Number(value < BigInt(Number.MAX_SAFE_INTEGER) ? value : Number.MAX_SAFE_INTEGER);

const toSizes = (preferred: readonly number[]): readonly number[] => [...new Set(preferred)].sort((a, b) => a - b);

function toDynamicBatching(batching: ModelDynamicBatching): DynamicBatching {
  return {
    kind: "dynamic",
    preferredBatchSizes: toSizes(batching.preferredBatchSize),
    maxQueueDelayUs: toNumber(batching.maxQueueDelayMicroseconds),
    preserveOrdering: batching.preserveOrdering,
    priorityLevels: toNumber(batching.priorityLevels),
    defaultPriorityLevel: toNumber(batching.defaultPriorityLevel),
    defaultQueuePolicy: toQueuePolicy(batching.defaultQueuePolicy),
    priorityQueuePolicies: new Map(
      Object.entries(batching.priorityQueuePolicy).map(([level, policy]) => [Number(level), toQueuePolicy(policy)]),
    ),
  };
}

function toQueuePolicy(policy: ModelQueuePolicy | undefined): QueuePolicy {
  return {
    timeoutAction: policy?.timeoutAction === TimeoutAction.DELAY ? "delay" : "reject",
    defaultTimeoutUs: toNumber(policy?.defaultTimeoutMicroseconds ?? 0n),
    allowTimeoutOverride: policy?.allowTimeoutOverride ?? false,
    maxQueueSize: policy?.maxQueueSize ?? 0,
  };
}

function toSequenceBatching(batching: ModelSequenceBatching, maxBatchSize: number): SequenceBatching {
  return {
    kind: "sequence",
    strategy: toStrategy(batching, maxBatchSize),
    idleUs: toNumber(batching.maxSequenceIdleMicroseconds),
    controls: batching.controlInput.flatMap(({ name, control }) => control.map((one) => toControl(name, one))),
    states: batching.state.map(toState),
    iterative: batching.iterativeSequence,
  };
}

function toStrategy({ strategyChoice }: ModelSequenceBatching, maxBatchSize: number): DirectStrategy | OldestStrategy {
  if (strategyChoice.case !== "oldest") {
    return {
      kind: "direct",
      maxQueueDelayUs: toNumber(strategyChoice.value?.maxQueueDelayMicroseconds ?? 0n),
      minimumSlotUtilization: strategyChoice.value?.minimumSlotUtilization ?? 0,
    };
  }
  const { maxCandidateSequences, preferredBatchSize, maxQueueDelayMicroseconds, preserveOrdering } = strategyChoice.value;
  return {
    kind: "oldest",
    maxCandidateSequences: maxCandidateSequences > 0 ? maxCandidateSequences : Math.max(maxBatchSize, 1),
    preferredBatchSizes: toSizes(preferredBatchSize),
    maxQueueDelayUs: toNumber(maxQueueDelayMicroseconds),
    preserveOrdering,
  };
}

const CORRID_DTYPES = ["UINT64", "INT64", "UINT32", "INT32", "BYTES"] as const;

function toControl(name: string, control: Control): SequenceControl {
  const { kind, int32FalseTrue, fp32FalseTrue, boolFalseTrue, dataType } = control;
  if (kind === Kind.CONTROL_SEQUENCE_CORRID) {
    const dtype = CORRID_DTYPES.find((one) => one === dtypeOf(dataType));
    assert(dtype !== undefined, `the datatype of control ${name} was checked`);
    return { kind: "corrid", name, dtype };
  }
  const [dtype, values] =
    int32FalseTrue.length > 0
      ? (["INT32", int32FalseTrue] as const)
      : fp32FalseTrue.length > 0
        ? (["FP32", fp32FalseTrue] as const)
        : (["BOOL", boolFalseTrue.map(Number)] as const);
  const [falseValue, trueValue] = values;
  assert(falseValue !== undefined && trueValue !== undefined, `the values of control ${name} were checked`);
  const part = kind === Kind.CONTROL_SEQUENCE_START ? "start" : kind === Kind.CONTROL_SEQUENCE_END ? "end" : "ready";
  return { kind: part, name, dtype, falseValue, trueValue };
}

function toState({ inputName, outputName, dataType, dims, initialState }: State): SequenceState {
  const dtype = dtypeOf(dataType);
  assert(dtype !== undefined, `the datatype of state ${inputName} was checked`);
  const [initial] = initialState;
  const initialDims = (initial?.dims ?? []).map(Number);
  return {
    inputName,
    outputName,
    dtype,
    dims: dims.map(Number),
    initial:
      initial === undefined
        ? { kind: "none" }
        : initial.stateData.case === "dataFile"
          ? { kind: "file", file: initial.stateData.value, dims: initialDims }
          : { kind: "zero", dims: initialDims },
  };
}

/** Models that an ensemble is composed of, by step; of others none. */
export function ensembleMembers({ schedulingChoice }: ModelConfig): readonly ModelReference[] {
  if (schedulingChoice.case !== "ensembleScheduling") return [];
  return toEnsembleScheduling(schedulingChoice.value).steps.map(({ model, version }) => ({ model, version }));
}

function toEnsembleScheduling({ step, maxInflightRequests }: ModelEnsembling): EnsembleScheduling {
  return {
    kind: "ensemble",
    steps: step.map(({ modelName, modelVersion, inputMap, outputMap }) => ({
      model: modelName,
      version: modelVersion > 0n ? Number(modelVersion) : undefined,
      inputs: new Map(Object.entries(inputMap)),
      outputs: new Map(Object.entries(outputMap)),
    })),
    maxInflightRequests,
  };
}
