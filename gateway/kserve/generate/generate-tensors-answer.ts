/** Answers of the generate extension for models of tensors: one flat object, in the order of its keys. Pure. */
import { elementCount, type Tensor } from "../../../core/tensor/tensor.ts";
import type { InferResponse } from "../../serving/inference.ts";
import { parameterText } from "../infer/infer-answer.ts";
import { writeTensorData } from "../json/tensor-data-writer.ts";

/** @throws ServingError INVALID_ARGUMENT for outputs that JSON cannot hold */
export function generateText(id: string, { model, version, parameters, outputs }: InferResponse): string {
  const fields = new Map<string, string>();
  if (id !== "") fields.set("id", JSON.stringify(id));
  fields.set("model_name", JSON.stringify(model));
  fields.set("model_version", JSON.stringify(version));
  for (const [name, value] of parameters) if (!fields.has(name)) fields.set(name, parameterText(value));
  for (const output of outputs) if (!fields.has(output.name)) fields.set(output.name, bareOrList(output));
  const names = [...fields.keys()].sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${fields.get(name)}`).join(",")}}`;
}

function bareOrList(output: Tensor): string {
  const text = writeTensorData(output);
  return elementCount(output.shape) === 1 ? text : `[${text}]`;
}
