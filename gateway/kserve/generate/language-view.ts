/** A language model in the form in which models of tensors are known. Pure. */

import { LANGUAGE_INPUTS, LANGUAGE_OUTPUTS, languageConfig } from "../../../core/model/language-signature.ts";
import type { ServedModel } from "../../serving/generation/text-generation.ts";
import type { ModelView } from "../../serving/model-catalog.ts";
import { availableVersions } from "../model-lookup.ts";

/** @throws ServingError NOT_FOUND or UNAVAILABLE with Triton's text */
export function languageView(models: readonly ServedModel[], name: string, version: number | undefined): ModelView {
  const versions = availableVersions(models, name, version).map((model) => model.version);
  return {
    name,
    version: versions.at(-1) ?? "1",
    versions,
    platform: "llm",
    maxBatchSize: 0,
    decoupled: true,
    inputs: LANGUAGE_INPUTS.map(({ name: input, datatype, shape, optional }) => ({
      name: input,
      dtype: datatype,
      shape,
      optional,
      ragged: false,
      labels: [],
    })),
    outputs: LANGUAGE_OUTPUTS.map(({ name: output, datatype, shape }) => ({
      name: output,
      dtype: datatype,
      shape,
      optional: false,
      ragged: false,
      labels: [],
    })),
    configJson: JSON.stringify(languageConfig(name)),
  };
}
