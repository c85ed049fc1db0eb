/** What is wrong with dynamic batching and its queue policies, in Triton's words. Pure. */
import {
  type ModelConfig,
  type ModelDynamicBatching,
  type ModelQueuePolicy,
  ModelQueuePolicy_TimeoutAction as TimeoutAction,
} from "../../../../protos/gen/model_config_pb.ts";
import type { ConfigProblem } from "./problem.ts";

const ROOT = "dynamic_batching";

export function* dynamicBatchingProblems(config: ModelConfig, batching: ModelDynamicBatching): Generator<ConfigProblem> {
  for (const [index, size] of batching.preferredBatchSize.entries()) {
    const path = [ROOT, "preferred_batch_size", index];
    const fix = `write sizes from 1 to max_batch_size, which is ${config.maxBatchSize}`;
    if (size <= 0) yield { message: `dynamic batching preferred size must be positive for ${config.name}`, path, fix };
    else if (size > config.maxBatchSize) {
      yield { message: `dynamic batching preferred size must be <= max batch size for ${config.name}`, path, fix };
    }
  }
  if (batching.priorityLevels !== 0n) yield* priorityProblems(config, batching);
  if (batching.preserveOrdering) yield* orderingProblems(config, batching);
}

function* priorityProblems(config: ModelConfig, batching: ModelDynamicBatching): Generator<ConfigProblem> {
  const levels = batching.priorityLevels;
  if (batching.defaultPriorityLevel === 0n || batching.defaultPriorityLevel > levels) {
    yield {
      message: `default priority level must be in range [1, ${levels}] for ${config.name}`,
      path: batching.defaultPriorityLevel === 0n ? [ROOT] : [ROOT, "default_priority_level"],
      fix: `set default_priority_level to a level from 1 to ${levels}`,
    };
  }
  for (const level of Object.keys(batching.priorityQueuePolicy)) {
    if (BigInt(level) !== 0n && BigInt(level) <= levels) continue;
    yield {
      message: `priority queue policy must have priority level in range [1, ${levels}] for ${config.name}`,
      path: [ROOT, "priority_queue_policy", level],
      fix: `use keys from 1 to ${levels}, or raise priority_levels`,
    };
  }
}

function* orderingProblems(config: ModelConfig, batching: ModelDynamicBatching): Generator<ConfigProblem> {
  if (batching.priorityLevels > 1n) {
    yield {
      message: `Only one priority level is allowed when 'preserve_ordering' is true for ${config.name}`,
      path: [ROOT, "priority_levels"],
      fix: "remove priority_levels or preserve_ordering",
    };
  }
  const message = `Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for ${config.name}`;
  const fix = "set timeout_action: REJECT, or remove preserve_ordering";
  if (delays(batching.defaultQueuePolicy)) yield { message, path: [ROOT, "default_queue_policy", "timeout_action"], fix };
  for (const [level, policy] of Object.entries(batching.priorityQueuePolicy)) {
    if (delays(policy)) yield { message, path: [ROOT, "priority_queue_policy", level, "timeout_action"], fix };
  }
}

const delays = (policy: ModelQueuePolicy | undefined): boolean =>
  policy?.timeoutAction === TimeoutAction.DELAY && policy.defaultTimeoutMicroseconds !== 0n;
