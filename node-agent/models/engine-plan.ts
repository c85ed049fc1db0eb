/** From a model's configuration to what its engine must know. Pure. */

import { ServingError } from "../../core/errors.ts";
import { isBuiltInBackend } from "../../core/model/config/built-in-backends.ts";
import type { DynamicBatching, ModelConfiguration, QueuePolicy } from "../../core/model/config/configuration.ts";
import { PYTHON_BACKEND } from "../../core/model/config/served-backends.ts";
import type { BatchPlan, PlannedInput, PlannedOutput } from "../engines/batch/batch-plan.ts";
import type * as Scheduling from "../scheduling/batch-options.ts";

/** Without its warm-up, which takes files. @throws ServingError UNIMPLEMENTED for what this version does not serve, with what is meant. */
export function enginePlan(
  configuration: ModelConfiguration,
  options: { /** TRITONSERVER_DELAY_SCHEDULER; 0: none. */ readonly startAfter: number },
): Omit<BatchPlan, "warmUps"> {
  const { backend, scheduler, maxBatchSize, instanceGroups, name } = configuration;
  if (backend !== "onnxruntime" && backend !== PYTHON_BACKEND && !isBuiltInBackend(backend)) throw unserved(name, `backend '${backend}'`);
  if (scheduler.kind === "ensemble") throw unserved(name, `${scheduler.kind} scheduling`);
  const active = instanceGroups.filter(({ passive }) => !passive);
  const gpu = active.find(({ kind }) => kind === "gpu");
  if (gpu !== undefined) {
    throw new ServingError(
      "INVALID_ARGUMENT",
      `instance group ${gpu.name} of model ${name} has kind KIND_GPU but server does not support GPUs`,
    );
  }
  return {
    maxBatchSize,
    dynamic: scheduler.kind === "dynamic" ? dynamicOptions(scheduler, options.startAfter) : undefined,
    instances: Math.max(
      1,
      active.reduce((sum, { count }) => sum + count, 0),
    ),
    inputs: configuration.inputs.map(
      ({ name: input, dims, reshape, optional, ragged }): PlannedInput => ({ name: input, dims, reshape, optional, ragged }),
    ),
    outputs: configuration.outputs.map((output): PlannedOutput => {
      const scatter = configuration.batchOutputs.find(({ targets }) => targets.includes(output.name));
      return { name: output.name, dims: output.dims, reshape: output.reshape, shapedLike: scatter?.source };
    }),
    batchInputs: configuration.batchInputs,
    rates: active.flatMap(({ count, resources, priority }) =>
      Array.from({ length: count }, () => ({ needs: resources, priority, device: 0 })),
    ),
  };
}

function dynamicOptions(scheduler: DynamicBatching, startAfter: number): Scheduling.DynamicBatching {
  return {
    preferred: scheduler.preferredBatchSizes,
    delayUs: scheduler.maxQueueDelayUs,
    preserveOrdering: scheduler.preserveOrdering,
    levels: scheduler.priorityLevels,
    defaultLevel: scheduler.defaultPriorityLevel,
    defaultPolicy: queuePolicy(scheduler.defaultQueuePolicy),
    policies: new Map([...scheduler.priorityQueuePolicies].map(([level, policy]) => [level, queuePolicy(policy)])),
    startAfter,
  };
}

function queuePolicy({ timeoutAction, defaultTimeoutUs, allowTimeoutOverride, maxQueueSize }: QueuePolicy): Scheduling.QueuePolicy {
  return { timeoutAction, defaultTimeoutUs, allowTimeoutOverride, queueMax: maxQueueSize };
}

export function unserved(model: string, what: string): ServingError {
  return new ServingError("UNIMPLEMENTED", `model '${model}' asks for ${what}, which this version does not serve`, {
    reason: "not_served_yet",
  });
}
