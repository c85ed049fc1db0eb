/** Hyperparameters from GGUF metadata. Keys: llama.cpp gguf-py/gguf/constants.py. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { Hyperparameters, RotaryScaling } from "./checkpoint.ts";
import type { GgufFile } from "./gguf.ts";
import { checkedHyperparameters, HyperparameterFields } from "./hyperparameter-fields.ts";

/** @param divisors the values of `rope_freqs.weight`, where the file has it */
export function ggufHyperparameters(file: GgufFile, divisors: Float32Array | undefined): Hyperparameters {
  const architecture = file.metadata.get("general.architecture");
  if (typeof architecture !== "string") throw new ServingError("DATA_LOSS", `${file.name}: there is no 'general.architecture'`);
  const fields = new HyperparameterFields(file.name, (name) => file.metadata.get(`${architecture}.${name}`));
  const heads = fields.size("attention.head_count");
  const hiddenSize = fields.size("embedding_length");
  const headSize = fields.size("attention.key_length", hiddenSize / heads);
  const vocabSize = file.tensors.get("token_embd.weight")?.dimensions[1];
  if (vocabSize === undefined) throw new ServingError("DATA_LOSS", `${file.name}: there is no matrix 'token_embd.weight'`);
  const unsupported = (what: string) => new ServingError("UNIMPLEMENTED", `${file.name}: ${what} is not supported`);
  if (fields.size("rope.dimension_count", headSize) !== headSize) throw unsupported("rotating a part of each head");
  if (fields.size("attention.value_length", headSize) !== headSize) throw unsupported("a value size other than the key size");
  if (fields.optionalSize("expert_count") !== undefined) throw unsupported("a mixture of experts");
  return checkedHyperparameters(file.name, {
    architecture,
    layers: fields.size("block_count"),
    hiddenSize,
    heads,
    kvHeads: fields.size("attention.head_count_kv", heads),
    headSize,
    feedForwardSize: fields.size("feed_forward_length"),
    vocabSize,
    normEpsilon: fields.positive("attention.layer_norm_rms_epsilon"),
    rotaryTheta: fields.positive("rope.freq_base", 10_000),
    rotaryScaling: rotaryScaling(file.name, fields, divisors, headSize),
    contextLength: fields.size("context_length"),
    slidingWindow: fields.optionalSize("attention.sliding_window"),
    tiedEmbeddings: !file.tensors.has("output.weight"),
  });
}

function rotaryScaling(origin: string, fields: HyperparameterFields, divisors: Float32Array | undefined, headSize: number): RotaryScaling {
  const type = fields.text("rope.scaling.type", fields.has("rope.scale_linear") ? "linear" : "none");
  if (type !== "none" && type !== "linear") {
    throw new ServingError("UNIMPLEMENTED", `${origin}: rotary scaling of type '${type}' is not supported (none, linear and llama3 are)`);
  }
  if (divisors !== undefined) {
    if (type === "linear")
      throw new ServingError("UNIMPLEMENTED", `${origin}: linear scaling together with rope_freqs.weight is not supported`);
    if (divisors.length !== headSize / 2)
      throw new ServingError("DATA_LOSS", `${origin}: rope_freqs.weight must have ${headSize / 2} values`);
    return { kind: "divisors", divisors };
  }
  if (type === "none") return { kind: "none" };
  return { kind: "linear", factor: fields.positive(fields.has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear") };
}
