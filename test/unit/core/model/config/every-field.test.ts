/** Every field of Triton's model configuration is taken, or refused, or listed as without effect here: none is passed over in silence. */
import { clone, type DescField } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { describe, expect, test } from "vitest";
import { normalizeConfig, normalizeInstanceGroups } from "../../../../../core/model/config/normalize.ts";
import { configProblems, instanceGroupProblems } from "../../../../../core/model/config/problems/config-problems.ts";
import { expectedChecksums } from "../../../../../core/model/config/problems/repository-agents.ts";
import { tensorProblems } from "../../../../../core/model/config/problems/tensor-problems.ts";
import { warmupProblems } from "../../../../../core/model/config/problems/warmup-problems.ts";
import { WITHOUT_EFFECT, withoutEffect } from "../../../../../core/model/config/problems/without-effect.ts";
import { parseModelConfig } from "../../../../../core/model/config/text/parse-text.ts";
import { toConfiguration } from "../../../../../core/model/config/to-configuration.ts";
import { type ModelConfig, ModelConfigSchema } from "../../../../../protos/gen/model_config_pb.ts";
import { EVERYTHING } from "./everything.ts";

const SEQUENCES = `name: "m" platform: "onnxruntime_onnx" backend: "onnxruntime" max_batch_size: 4 sequence_batching {
  max_sequence_idle_microseconds: 9 iterative_sequence: true
  oldest { max_candidate_sequences: 3 preferred_batch_size: 2 max_queue_delay_microseconds: 5 preserve_ordering: true }
  control_input [ { name: "s" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } },
    { name: "e" control { kind: CONTROL_SEQUENCE_END fp32_false_true: [ 0, 1 ] } },
    { name: "r" control { kind: CONTROL_SEQUENCE_READY bool_false_true: [ false, true ] } },
    { name: "c" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } } ]
  state { input_name: "i" output_name: "o" data_type: TYPE_FP32 dims: 2 use_same_buffer_for_input_output: true
    initial_state { name: "n" data_type: TYPE_FP32 dims: 2 data_file: "f" } } }`;
const DIRECT = `name: "m" platform: "onnxruntime_onnx" backend: "onnxruntime" max_batch_size: 4 sequence_batching { direct { max_queue_delay_microseconds: 5 minimum_slot_utilization: 0.5 }
  state { input_name: "i" output_name: "o" data_type: TYPE_FP32 dims: 2 initial_state { name: "n" data_type: TYPE_FP32 dims: 2 zero_data: true } } }`;
const ENSEMBLE = `name: "m" platform: "ensemble" input { name: "a" data_type: TYPE_FP32 dims: 1 } output { name: "b" data_type: TYPE_FP32 dims: 1 }
  ensemble_scheduling { max_inflight_requests: 2 step { model_name: "x" model_version: 2 model_namespace: "n"
    input_map { key: "i" value: "a" } output_map { key: "o" value: "b" } } }`;
const POLICIES = ["latest { num_versions: 2 }", "all { }"].map(
  (policy) =>
    `backend: "m" name: "m" version_policy { ${policy} } input { name: "a" data_type: TYPE_FP32 dims: [ 2, 3 ] reshape { shape: 6 } }`,
);
/** Refused as it is. */
const MORE = `name: "m" platform: "onnxruntime_onnx" backend: "onnxruntime" instance_group { gpus: 1 profile: "p" secondary_devices { device_id: 3 } }
  input { name: "a" data_type: TYPE_FP32 dims: 1 is_shape_tensor: true is_non_linear_format_io: true }
  output { name: "b" data_type: TYPE_FP32 dims: 1 is_shape_tensor: true is_non_linear_format_io: true } response_cache { enable: true }
  model_warmup { name: "w" batch_size: 1 inputs { key: "a" value { data_type: TYPE_FP32 dims: 1 zero_data: true } } }`;

const EXPLAINED: ReadonlySet<string> = new Set([
  "metric_tags", // labels of metrics, from the configuration that clients are told
  "sequence_batching.state.initial_state.name", // must be there, and is read by people only
]);

function outcome(config: ModelConfig): unknown {
  const complete = normalizeInstanceGroups(normalizeConfig(config));
  const judges = [configProblems, tensorProblems, instanceGroupProblems, warmupProblems];
  const problems = judges.flatMap((judge) => [...judge(complete)].map(({ message }) => message));
  if (problems.length > 0) return problems;
  return [toConfiguration(complete), expectedChecksums(complete)];
}

interface Leaf {
  readonly name: string;
  readonly change: () => void;
}

/** Every value that is set or could be, with how to make it another one. */
function* leaves(message: ReflectMessage, names: string): Generator<Leaf> {
  for (const field of message.fields) {
    const name = names === "" ? field.name : `${names}.${field.name}`;
    if (field.enum?.values.length === 1) continue; // it cannot be another one
    const isSet = message.isSet(field);
    if (field.fieldKind === "message") {
      if (!isSet) continue;
      if (field.message.fields.length === 0) yield { name, change: () => message.clear(field) };
      else yield* leaves(message.get(field), name);
    } else if (field.oneof !== undefined) {
      if (isSet) yield { name, change: () => message.clear(field) };
    } else if (field.fieldKind === "list") {
      if (!isSet) continue;
      for (const element of message.get(field)) if (isReflectMessage(element)) yield* leaves(element, name);
      if (field.listKind !== "message") yield { name, change: () => message.clear(field) };
    } else if (field.fieldKind === "map") {
      if (isSet) yield { name, change: () => message.clear(field) };
      for (const [, value] of message.get(field)) if (isReflectMessage(value)) yield* leaves(value, name);
    } else yield { name, change: () => message.set(field, another(message.get(field), field)) };
  }
}

function another(value: unknown, field: DescField): never {
  const other =
    field.fieldKind === "enum"
      ? field.enum.values.find(({ number }) => number !== value)?.number
      : typeof value === "boolean"
        ? !value
        : typeof value === "bigint"
          ? value + 1n
          : typeof value === "number"
            ? value + 1
            : `${String(value)}x`;
  return other as never;
}

/** All fields of a message and those in it, by their names. */
function allFields(message: (typeof ModelConfigSchema)["fields"][number]["parent"], names = "", within: readonly string[] = []): string[] {
  return message.fields.flatMap((field) => {
    if (field.enum?.values.length === 1) return [];
    const name = names === "" ? field.name : `${names}.${field.name}`;
    if (WITHOUT_EFFECT[name] !== undefined || field.message === undefined || within.includes(field.message.typeName)) return [name];
    const inner = allFields(field.message, name, [...within, message.typeName]);
    return inner.length === 0 ? [name] : field.fieldKind === "map" ? [name, ...inner] : inner;
  });
}

const BASES = [EVERYTHING, SEQUENCES, DIRECT, ENSEMBLE, ...POLICIES, MORE].map((text) => parseModelConfig(text, "config.pbtxt").config);

describe("a field of the configuration", () => {
  const changed = new Map<string, boolean>();
  for (const base of BASES) {
    const before = JSON.stringify(outcome(base), printable);
    const count = [...leaves(reflect(ModelConfigSchema, base), "")].length;
    for (let index = 0; index < count; index++) {
      const config = clone(ModelConfigSchema, base);
      const leaf = [...leaves(reflect(ModelConfigSchema, config), "")][index];
      if (leaf === undefined) continue;
      leaf.change();
      const hasEffect = JSON.stringify(outcome(config), printable) !== before;
      changed.set(leaf.name, hasEffect || changed.get(leaf.name) === true);
    }
  }
  const isListed = (name: string) => Object.keys(WITHOUT_EFFECT).some((listed) => name === listed || name.startsWith(`${listed}.`));

  test("changes what is served or what is refused, unless it is listed as without effect", () => {
    const silent = [...changed].filter(([name, hasEffect]) => !hasEffect && !isListed(name) && !EXPLAINED.has(name));
    expect(silent.map(([name]) => name)).toEqual([]);
  });

  test("is not listed as without effect when it has one", () => {
    expect([...changed].filter(([name, hasEffect]) => hasEffect && WITHOUT_EFFECT[name] !== undefined).map(([name]) => name)).toEqual([]);
  });

  test("is tried here, whatever Triton's model_config.proto has", () => {
    const missing = allFields(ModelConfigSchema).filter((name) => !changed.has(name) && !isListed(name) && !EXPLAINED.has(name));
    expect(missing).toEqual([]);
  });
});

test("what somebody has written without effect is told, with its place and the reason, and nothing that was filled in", () => {
  const given = parseModelConfig(
    'optimization { priority: PRIORITY_MAX cuda { graphs: true } } instance_group [ { }, { secondary_devices { device_id: 1 } } ] parameters { key: "gpu_mem_limit" value { string_value: "1" } }',
    "config.pbtxt",
  ).config;
  expect(withoutEffect(given).map(({ path, why }) => [path.join("."), why])).toEqual([
    ["optimization.priority", "it is for TensorRT"],
    ["optimization.cuda", "it is for GPUs"],
    ["instance_group.1.secondary_devices", "it is for DLA cores"],
    ["parameters.gpu_mem_limit", "ONNX Runtime is told nothing by a parameter of this name"],
  ]);
  expect(withoutEffect(normalizeConfig(parseModelConfig('name: "m"', "config.pbtxt").config)).map(({ path }) => path.join("."))).toEqual([
    "optimization.input_pinned_memory",
    "optimization.output_pinned_memory",
  ]);
});

const printable = (_: string, value: unknown): unknown =>
  value instanceof Map ? [...value] : typeof value === "bigint" ? String(value) : value;
