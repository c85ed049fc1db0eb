/** The inputs and outputs of a language model, named as Triton's LLM backends name them (TensorRT-LLM's ensemble, vLLM). Pure. */

import { DTYPES, type Dtype } from "../tensor/dtype.ts";

/** How an input's JSON is read. */
export type InputKind = "string" | "strings" | "integer" | "unsigned" | "number" | "boolean";

export interface SignatureInput {
  readonly name: string;
  readonly datatype: "BYTES" | "INT32" | "UINT64" | "FP32" | "BOOL";
  readonly shape: readonly number[];
  readonly kind: InputKind;
  readonly optional: boolean;
}

const TEXT_INPUT = "text_input";

export const LANGUAGE_INPUTS: readonly SignatureInput[] = [
  { name: TEXT_INPUT, datatype: "BYTES", shape: [1], kind: "string", optional: false },
  { name: "max_tokens", datatype: "INT32", shape: [1], kind: "integer", optional: true },
  { name: "temperature", datatype: "FP32", shape: [1], kind: "number", optional: true },
  { name: "top_k", datatype: "INT32", shape: [1], kind: "integer", optional: true },
  { name: "top_p", datatype: "FP32", shape: [1], kind: "number", optional: true },
  { name: "stop_words", datatype: "BYTES", shape: [-1], kind: "strings", optional: true },
  { name: "random_seed", datatype: "UINT64", shape: [1], kind: "unsigned", optional: true },
  { name: "repetition_penalty", datatype: "FP32", shape: [1], kind: "number", optional: true },
  { name: "presence_penalty", datatype: "FP32", shape: [1], kind: "number", optional: true },
  { name: "frequency_penalty", datatype: "FP32", shape: [1], kind: "number", optional: true },
  { name: "stream", datatype: "BOOL", shape: [1], kind: "boolean", optional: true },
];

export const LANGUAGE_OUTPUTS = [{ name: "text_output", datatype: "BYTES", shape: [1] }] as const;

/** The core's text for a missing input, where some are optional. @param given names in the request's order. */
export function missingInputText(model: string, given: readonly string[]): string {
  const required = LANGUAGE_INPUTS.filter(({ optional }) => !optional).length;
  const list = given.map((name) => `'${name}'`).join(",");
  return (
    `[request id: <id_unknown>] expected number of inputs between ${required} and ${LANGUAGE_INPUTS.length} but got ${given.length} inputs ` +
    `for model '${model}'. Got input(s) [${list}], but missing required input(s) ['${TEXT_INPUT}']. Please provide all required input(s).`
  );
}

/** The configuration as far as tools read it (Perf Analyzer, Model Analyzer). */
export function languageConfig(name: string) {
  return {
    name,
    platform: "llm",
    backend: "llm",
    version_policy: { latest: { num_versions: 1 } },
    max_batch_size: 0,
    input: LANGUAGE_INPUTS.map(({ name: input, datatype, shape, optional }) => ({
      name: input,
      data_type: configType(datatype),
      format: "FORMAT_NONE",
      dims: shape,
      is_shape_tensor: false,
      allow_ragged_batch: false,
      optional,
    })),
    output: LANGUAGE_OUTPUTS.map(({ name: output, datatype, shape }) => ({
      name: output,
      data_type: configType(datatype),
      dims: shape,
      label_filename: "",
      is_shape_tensor: false,
    })),
    parameters: {},
    model_transaction_policy: { decoupled: true },
  };
}

function configType(datatype: Dtype): string {
  return DTYPES[datatype].configName;
}
