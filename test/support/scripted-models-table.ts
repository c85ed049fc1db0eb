/** The models that Triton's answers were recorded from: what each does, and its view and configuration as Triton shows them. */
import { DTYPES, type Dtype } from "../../core/tensor/dtype.ts";
import type { ModelView, TensorSpec } from "../../gateway/serving/model-catalog.ts";

export interface ScriptTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly dims: readonly number[];
  readonly optional?: boolean;
  readonly labels?: readonly string[];
}

export interface ModelScript {
  readonly name: string;
  readonly does: "identity" | "add-sub" | "ensemble" | "raises" | "broken" | "repeat";
  readonly maxBatchSize: number;
  readonly inputs: readonly ScriptTensor[];
  readonly outputs: readonly ScriptTensor[];
  /** Models that an ensemble is made of. */
  readonly steps?: readonly string[];
  /** Sections of the configuration, where they stand in Triton's order. */
  readonly batching?: object;
  readonly cached?: boolean;
}

const real = (name: string, dims: readonly number[]): ScriptTensor => ({ name, dtype: "FP32", dims });

function identity(name: string, more: Partial<ModelScript> = {}): ModelScript {
  return { name, does: "identity", maxBatchSize: 64, inputs: [real("INPUT0", [-1])], outputs: [real("OUTPUT0", [-1])], ...more };
}

const DYNAMIC = {
  preferred_batch_size: [64],
  max_queue_delay_microseconds: 0,
  preserve_ordering: false,
  priority_levels: 0,
  default_priority_level: 0,
  priority_queue_policy: {},
};

export const MODEL_SCRIPTS: readonly ModelScript[] = [
  {
    name: "add_sub",
    does: "add-sub",
    maxBatchSize: 0,
    inputs: [real("INPUT0", [4]), real("INPUT1", [4])],
    outputs: [real("OUTPUT0", [4]), real("OUTPUT1", [4])],
  },
  identity("broken", { does: "broken" }),
  { name: "ens", does: "ensemble", maxBatchSize: 64, inputs: [real("X", [-1])], outputs: [real("Y", [-1])], steps: ["identity_fp32"] },
  identity("identity_cached", { cached: true }),
  identity("identity_dyn", { batching: DYNAMIC }),
  identity("identity_fp32"),
  identity("identity_str", {
    maxBatchSize: 8,
    inputs: [{ name: "INPUT0", dtype: "BYTES", dims: [-1] }],
    outputs: [{ name: "OUTPUT0", dtype: "BYTES", dims: [-1] }],
  }),
  identity("raises", { does: "raises" }),
  {
    name: "repeat",
    does: "repeat",
    maxBatchSize: 0,
    inputs: [{ name: "N", dtype: "INT32", dims: [1] }],
    outputs: [{ name: "OUT", dtype: "INT32", dims: [1] }],
  },
];

export function viewOf(script: ModelScript): ModelView {
  const { name, maxBatchSize, does } = script;
  const spec = ({ name: tensor, dtype, dims, optional = false, labels = [] }: ScriptTensor): TensorSpec => {
    return { name: tensor, dtype, shape: maxBatchSize > 0 ? [-1, ...dims] : dims, optional, ragged: false, labels };
  };
  return {
    name,
    version: "1",
    versions: ["1"],
    platform: does === "ensemble" ? "ensemble" : "python",
    maxBatchSize,
    decoupled: does === "repeat",
    inputs: script.inputs.map(spec),
    outputs: script.outputs.map(spec),
    configJson: configJson(script),
  };
}

export function configJson(script: ModelScript): string {
  const { name, does, maxBatchSize, inputs, outputs } = script;
  const isEnsemble = does === "ensemble";
  const end = { cc_model_filenames: {}, metric_tags: {}, parameters: {}, model_warmup: [] };
  return JSON.stringify({
    name,
    platform: isEnsemble ? "ensemble" : "",
    backend: isEnsemble ? "" : "python",
    runtime: "",
    version_policy: { latest: { num_versions: 1 } },
    max_batch_size: maxBatchSize,
    input: inputs.map(inputConfig),
    output: outputs.map(outputConfig),
    batch_input: [],
    batch_output: [],
    ...(isEnsemble ? ensembleConfig(script) : batchingConfig(script)),
    instance_group: isEnsemble ? [] : [instanceGroup(name)],
    default_model_filename: isEnsemble ? "" : "model.py",
    ...end,
    ...(script.cached === true && { response_cache: { enable: true } }),
    ...((isEnsemble || does === "repeat") && { model_transaction_policy: { decoupled: does === "repeat" } }),
  });
}

function inputConfig({ name, dtype, dims, optional = false }: ScriptTensor) {
  const flags = { is_shape_tensor: false, allow_ragged_batch: false, optional, is_non_linear_format_io: false };
  return { name, data_type: DTYPES[dtype].configName, format: "FORMAT_NONE", dims, ...flags };
}

function outputConfig({ name, dtype, dims }: ScriptTensor) {
  return { name, data_type: DTYPES[dtype].configName, dims, label_filename: "", is_shape_tensor: false, is_non_linear_format_io: false };
}

function batchingConfig({ batching }: ModelScript) {
  const optimization = {
    priority: "PRIORITY_DEFAULT",
    input_pinned_memory: { enable: true },
    output_pinned_memory: { enable: true },
    gather_kernel_buffer_threshold: 0,
    eager_batching: false,
  };
  return { optimization, ...(batching !== undefined && { dynamic_batching: batching }) };
}

function ensembleConfig({ steps = [] }: ModelScript) {
  const step = steps.map((model_name) => ({
    model_name,
    model_version: -1,
    input_map: { INPUT0: "X" },
    output_map: { OUTPUT0: "Y" },
    model_namespace: "",
  }));
  return { ensemble_scheduling: { step } };
}

function instanceGroup(name: string) {
  const rest = { gpus: [], secondary_devices: [], profile: [], passive: false, host_policy: "" };
  return { name: `${name}_0`, kind: "KIND_CPU", count: 1, ...rest };
}
