/** What the server and its models say of themselves. Pure. */

import { LANGUAGE_INPUTS, LANGUAGE_OUTPUTS } from "../../core/model/language-signature.ts";
import type { ServedModel } from "../serving/generation/text-generation.ts";
import type { ModelView, TensorSpec } from "../serving/model-catalog.ts";

/** Triton's, in its order: clients look for names here before they use them. */
const EXTENSIONS: readonly string[] = [
  "classification",
  "sequence",
  "model_repository",
  "model_repository(unload_dependents)",
  "schedule_policy",
  "model_configuration",
  "system_shared_memory",
  "cuda_shared_memory",
  "binary_tensor_data",
  "parameters",
  "statistics",
  "trace",
  "logging",
];

export interface ServerIdentity {
  readonly name: string;
  readonly version: string;
}

export function serverMetadata({ name, version }: ServerIdentity) {
  return { name, version, extensions: EXTENSIONS };
}

/** @param version the one that was asked for: then it stands alone */
export function modelMetadata({ name, versions, platform, inputs, outputs, ...view }: ModelView, version: number | undefined) {
  return {
    name,
    versions: version === undefined ? versions : [view.version],
    platform,
    inputs: inputs.map(tensorMetadata),
    outputs: outputs.map(tensorMetadata),
  };
}

function tensorMetadata({ name, dtype, shape }: TensorSpec) {
  return { name, datatype: dtype, shape };
}

/** @param versions of one model, at least one. */
export function languageMetadata(name: string, versions: readonly ServedModel[]) {
  return {
    name,
    versions: versions.map(({ version }) => version),
    platform: "llm",
    inputs: LANGUAGE_INPUTS.map(({ name: input, datatype, shape }) => ({ name: input, datatype, shape })),
    outputs: LANGUAGE_OUTPUTS,
  };
}
