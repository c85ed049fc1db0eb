/** Fills in the defaults that Triton's core fills in, so that answers and schedulers see every value. Pure. */
import { clone, create } from "@bufbuild/protobuf";
import {
  ModelInstanceGroup_Kind as Kind,
  type ModelConfig,
  ModelConfigSchema,
  type ModelInstanceGroup,
  ModelInstanceGroupSchema,
  ModelOptimizationPolicy_PinnedMemoryBufferSchema,
  ModelOptimizationPolicySchema,
  ModelVersionPolicySchema,
} from "../../../protos/gen/model_config_pb.ts";

const SEQUENCE_IDLE_DEFAULT_US = 1_000_000n;
const CPU_INSTANCES: Readonly<Record<string, number>> = { onnxruntime: 2, tensorflow: 2 };

/** A copy with version policy, preferred batch sizes, idle time of sequences and pinned memory set. */
export function normalizeConfig(given: ModelConfig): ModelConfig {
  const config = clone(ModelConfigSchema, given);
  config.versionPolicy ??= create(ModelVersionPolicySchema, { policyChoice: { case: "latest", value: { numVersions: 1 } } });
  const scheduling = config.schedulingChoice;
  if (scheduling.case === "dynamicBatching") preferLargest(scheduling.value.preferredBatchSize, config.maxBatchSize);
  if (scheduling.case === "sequenceBatching") {
    const batching = scheduling.value;
    if (batching.maxSequenceIdleMicroseconds === 0n) batching.maxSequenceIdleMicroseconds = SEQUENCE_IDLE_DEFAULT_US;
    const strategy = batching.strategyChoice;
    if (strategy.case === "oldest") preferLargest(strategy.value.preferredBatchSize, config.maxBatchSize);
  }
  if (scheduling.case !== "ensembleScheduling") {
    config.optimization ??= create(ModelOptimizationPolicySchema);
    config.optimization.inputPinnedMemory ??= create(ModelOptimizationPolicy_PinnedMemoryBufferSchema, { enable: true });
    config.optimization.outputPinnedMemory ??= create(ModelOptimizationPolicy_PinnedMemoryBufferSchema, { enable: true });
  }
  return config;
}

function preferLargest(preferred: number[], maxBatchSize: number): void {
  if (preferred.length === 0 && maxBatchSize > 0) preferred.push(maxBatchSize);
}

/** A copy whose instance groups have a name, a kind and a count; there are no GPUs here. Ensembles have none. */
export function normalizeInstanceGroups(given: ModelConfig): ModelConfig {
  const config = clone(ModelConfigSchema, given);
  if (config.schedulingChoice.case === "ensembleScheduling") return config;
  if (config.instanceGroup.length === 0) config.instanceGroup.push(create(ModelInstanceGroupSchema, { name: config.name }));
  config.instanceGroup = config.instanceGroup.map((group, index) => normalizeGroup(group, index, config));
  return config;
}

function normalizeGroup(group: ModelInstanceGroup, index: number, config: ModelConfig): ModelInstanceGroup {
  const kind = group.kind === Kind.AUTO ? Kind.CPU : group.kind;
  const usual = kind === Kind.CPU ? (CPU_INSTANCES[config.backend] ?? 1) : 1;
  return {
    ...group,
    name: group.name === "" ? `${config.name}_${index}` : group.name,
    kind,
    count: group.count < 1 ? usual : group.count,
  };
}
