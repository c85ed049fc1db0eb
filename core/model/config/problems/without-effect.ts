/** Fields of a configuration that are taken and change nothing here, each with the reason. Pure. */
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type ModelConfig, ModelConfigSchema } from "../../../../protos/gen/model_config_pb.ts";
import type { ConfigPath } from "./problem.ts";

const GPU = "it is for GPUs";

/** By the field's names from the configuration on, without indices; what lies in such a field has none either. */
export const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  runtime: "each backend is a part of the server",
  cc_model_filenames: GPU,
  "ensemble_scheduling.step.model_namespace": "a model's name is its own in all repositories",
  "instance_group.host_policy": "where runners run is the operating system's choice",
  "instance_group.secondary_devices": "it is for DLA cores",
  "model_operations.op_library_filename": "libraries of operators are not loaded; a model that needs one is refused when it opens",
  "optimization.cuda": GPU,
  "optimization.eager_batching": "batches are formed when an instance is free, and grow until then",
  "optimization.execution_accelerators.cpu_execution_accelerator": "ONNX Runtime's own CPU kernels are used: other speed, the same answers",
  "optimization.execution_accelerators.gpu_execution_accelerator": GPU,
  "optimization.gather_kernel_buffer_threshold": GPU,
  "optimization.input_pinned_memory": GPU,
  "optimization.output_pinned_memory": GPU,
  "optimization.priority": "it is for TensorRT",
  "sequence_batching.state.use_same_buffer_for_input_output": "states never share a buffer, so that a failed step leaves them as they were",
};

/** What a model of ONNX Runtime may be told by parameters, besides `session.` entries. */
const ONNX_PARAMETERS: ReadonlySet<string> = new Set([
  "enable_mem_arena",
  "enable_mem_pattern",
  "execution_mode",
  "inter_op_thread_count",
  "intra_op_thread_count",
  "max_replicas",
  "min_replicas",
  "node_labels",
  "replicas",
  "retry",
  "sequence_state",
]);

export interface Effectless {
  readonly path: ConfigPath;
  readonly why: string;
}

/** @param given as somebody wrote it: what is filled in is nobody's wish */
export function withoutEffect(given: ModelConfig): readonly Effectless[] {
  const found = [...effectlessFields(reflect(ModelConfigSchema, given), [], "")];
  if (given.backend !== "" && given.backend !== "onnxruntime") return found;
  for (const name of Object.keys(given.parameters)) {
    if (ONNX_PARAMETERS.has(name) || name.startsWith("session.")) continue;
    found.push({ path: ["parameters", name], why: "ONNX Runtime is told nothing by a parameter of this name" });
  }
  return found;
}

function* effectlessFields(message: ReflectMessage, path: ConfigPath, names: string): Generator<Effectless> {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const at = [...path, field.name];
    const name = names === "" ? field.name : `${names}.${field.name}`;
    const why = WITHOUT_EFFECT[name];
    if (why !== undefined) yield { path: at, why };
    else if (field.fieldKind === "message") yield* effectlessFields(message.get(field), at, name);
    else if (field.fieldKind === "list" && field.listKind === "message") {
      for (const [index, element] of [...message.get(field)].entries()) {
        if (isReflectMessage(element)) yield* effectlessFields(element, [...at, index], name);
      }
    }
  }
}
