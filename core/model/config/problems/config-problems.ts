/** Everything that is wrong with a configuration by itself, in Triton's words and in Triton's order. Pure. */
import { ModelInstanceGroup_Kind as Kind, type ModelConfig } from "../../../../protos/gen/model_config_pb.ts";
import { ENSEMBLE_PLATFORM } from "../backend-fields.ts";
import { dynamicBatchingProblems } from "./batching-problems.ts";
import { ensembleProblems } from "./ensemble-problems.ts";
import type { ConfigProblem } from "./problem.ts";
import { agentProblems } from "./repository-agents.ts";
import { sequenceBatchingProblems } from "./sequence-problems.ts";

/** Backends that have platforms of their own, and these; every other backend may be called with any platform. */
const PLATFORMS: Readonly<Record<string, readonly string[]>> = {
  tensorflow: ["tensorflow_graphdef", "tensorflow_savedmodel"],
  tensorrt: ["tensorrt_plan"],
  onnxruntime: ["onnxruntime_onnx"],
  pytorch: ["pytorch_libtorch"],
  torch_aoti: ["torch_aoti"],
};

/** @param config with its defaults filled in (`normalizeConfig`); tensors and instance groups are judged by others */
export function* configProblems(config: ModelConfig): Generator<ConfigProblem> {
  if (config.name === "") yield { message: "model configuration must specify 'name'", path: [], fix: "add name: the folder's name" };
  yield* backendProblems(config);
  if (config.maxBatchSize < 0) {
    const message = `'max_batch_size' must be non-negative value for ${config.name}`;
    yield { message, path: ["max_batch_size"], fix: "write 0 for a model that does not batch" };
  }
  const scheduling = config.schedulingChoice;
  if (scheduling.case === "dynamicBatching") yield* dynamicBatchingProblems(config, scheduling.value);
  if (scheduling.case === "sequenceBatching") yield* sequenceBatchingProblems(config, scheduling.value);
  if (scheduling.case === "ensembleScheduling") yield* ensembleProblems(config, scheduling.value);
  else if (config.platform === ENSEMBLE_PLATFORM) {
    const message = `ensemble scheduling must be set for ensemble ${config.name} whose platform is ${ENSEMBLE_PLATFORM}`;
    yield { message, path: ["platform"], fix: "add ensemble_scheduling with the steps" };
  }
  if (config.modelTransactionPolicy?.decoupled === true && config.responseCache?.enable === true) {
    const message = `Response Cache does not currently support model ${config.name} with 'decoupled' transaction policy. Please disable the response cache.`;
    yield { message, path: ["response_cache"], fix: "remove response_cache" };
  }
  yield* metricProblems(config);
  yield* agentProblems(config);
}

function* backendProblems({ name, backend, platform }: ModelConfig): Generator<ConfigProblem> {
  if (backend === "") {
    if (platform === ENSEMBLE_PLATFORM) return;
    const message = `unexpected platform type '${platform}' for ${name}`;
    yield { message, path: platform === "" ? [] : ["platform"], fix: "set backend" };
    return;
  }
  if (platform === ENSEMBLE_PLATFORM) {
    const message = `Ensemble model '${name}' must have platform type '${platform}' and empty backend type`;
    yield { message, path: ["backend"], fix: "remove backend" };
    return;
  }
  const platforms = Object.hasOwn(PLATFORMS, backend) ? PLATFORMS[backend] : undefined;
  if (platforms === undefined || platforms.includes(platform)) return;
  const message = `unexpected 'platform' and 'backend' pair, got:${platform}, ${backend}`;
  yield { message, path: ["platform"], fix: `set platform to ${platforms.join(" or ")}, or remove it` };
}

function* metricProblems({ modelMetrics }: ModelConfig): Generator<ConfigProblem> {
  for (const [index, { metricIdentifier, metricOptions }] of (modelMetrics?.metricControl ?? []).entries()) {
    const path = ["model_metrics", "metric_control", index];
    if (metricIdentifier === undefined) {
      yield { message: "metric control must specify 'metric_identifier'", path, fix: "add metric_identifier { family: … }" };
    } else if (metricIdentifier.family === "") {
      const message = "metric identifier must specify non-empty 'family'";
      yield { message, path: [...path, "metric_identifier"], fix: "add family: the metric's name" };
    } else if (metricOptions.case === undefined) {
      yield { message: "metric control must specify 'histogram_options'", path, fix: "add histogram_options { buckets: [ … ] }" };
    } else if (metricOptions.value.buckets.length === 0) {
      const message = "histogram options must specify non-empty 'buckets'";
      yield { message, path: [...path, "histogram_options"], fix: "list the upper bounds in buckets" };
    }
  }
}

/** @param config with its instance groups filled in (`normalizeInstanceGroups`) */
export function* instanceGroupProblems(config: ModelConfig): Generator<ConfigProblem> {
  for (const [index, group] of config.instanceGroup.entries()) {
    const path = ["instance_group", index];
    const subject = `instance group ${group.name} of model ${config.name}`;
    if (group.kind === Kind.GPU) {
      const message = `${subject} has kind KIND_GPU but server does not support GPUs`;
      yield { message, path: [...path, "kind"], fix: "set kind: KIND_CPU, or remove kind" };
    } else if (group.gpus.length > 0) {
      const kind = group.kind === Kind.MODEL ? "KIND_MODEL" : "KIND_CPU";
      yield { message: `${subject} has kind ${kind} but specifies one or more GPUs`, path: [...path, "gpus"], fix: "remove gpus" };
    }
    if (group.profile.length > 0 && config.platform !== "tensorrt_plan") {
      // Triton leaves the blank out.
      const message = `${subject} and platform ${config.platform}specifies profile field which is only supported for TensorRT models`;
      yield { message, path: [...path, "profile"], fix: "remove profile" };
    }
  }
}
