/** Hyperparameters from a Hugging Face `config.json`. Source: transformers' configuration classes. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { Hyperparameters, RotaryScaling } from "./checkpoint.ts";
import { checkedHyperparameters, HyperparameterFields } from "./hyperparameter-fields.ts";
import { objectFields } from "./json-object.ts";

/** @param origin the file's name, for messages */
export function configHyperparameters(origin: string, config: ReadonlyMap<string, unknown>): Hyperparameters {
  const fields = new HyperparameterFields(origin, (name) => config.get(name));
  const heads = fields.size("num_attention_heads");
  const hiddenSize = fields.size("hidden_size");
  refuseUnsupported(origin, fields, config);
  // transformers 5 moved the rotary settings into one object
  const rotary = objectFields(config.get("rope_parameters")) ?? objectFields(config.get("rope_scaling")) ?? new Map<string, unknown>();
  const rotaryFields = new HyperparameterFields(origin, (name) => rotary.get(name));
  const windowUsed = fields.flag("use_sliding_window", true);
  return checkedHyperparameters(origin, {
    architecture: fields.text("model_type"),
    layers: fields.size("num_hidden_layers"),
    hiddenSize,
    heads,
    kvHeads: fields.size("num_key_value_heads", heads),
    headSize: fields.size("head_dim", hiddenSize / heads),
    feedForwardSize: fields.size("intermediate_size"),
    vocabSize: fields.size("vocab_size"),
    normEpsilon: fields.positive("rms_norm_eps"),
    rotaryTheta: rotaryFields.has("rope_theta") ? rotaryFields.positive("rope_theta") : fields.positive("rope_theta", 10_000),
    rotaryScaling: rotaryScaling(origin, rotaryFields),
    contextLength: fields.size("max_position_embeddings"),
    slidingWindow: windowUsed ? fields.optionalSize("sliding_window") : undefined,
    tiedEmbeddings: fields.flag("tie_word_embeddings", false),
  });
}

function refuseUnsupported(origin: string, fields: HyperparameterFields, config: ReadonlyMap<string, unknown>): void {
  const unsupported = (what: string) => new ServingError("UNIMPLEMENTED", `${origin}: ${what} is not supported`);
  if (fields.text("hidden_act", "silu") !== "silu") throw unsupported(`the activation '${fields.text("hidden_act")}'`);
  if (fields.positive("partial_rotary_factor", 1) !== 1) throw unsupported("rotating a part of each head");
  if (fields.optionalSize("num_local_experts") !== undefined || fields.optionalSize("num_experts") !== undefined) {
    throw unsupported("a mixture of experts");
  }
  if (fields.has("quantization_config")) throw unsupported("a quantized safetensors checkpoint (use GGUF, or the float original)");
  const layerTypes = config.get("layer_types");
  if (Array.isArray(layerTypes) && layerTypes.some((type) => type !== layerTypes[0])) throw unsupported("mixing kinds of attention layers");
}

function rotaryScaling(origin: string, fields: HyperparameterFields): RotaryScaling {
  const type = fields.text("rope_type", fields.text("type", "default"));
  switch (type) {
    case "default":
      return { kind: "none" };
    case "linear":
      return { kind: "linear", factor: fields.positive("factor") };
    case "llama3":
      return {
        kind: "llama3",
        factor: fields.positive("factor"),
        lowFrequencyFactor: fields.positive("low_freq_factor"),
        highFrequencyFactor: fields.positive("high_freq_factor"),
        originalContextLength: fields.size("original_max_position_embeddings"),
      };
    default:
      throw new ServingError(
        "UNIMPLEMENTED",
        `${origin}: rotary scaling of type '${type}' is not supported (default, linear and llama3 are)`,
      );
  }
}
