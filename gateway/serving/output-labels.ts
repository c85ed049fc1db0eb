/** Class labels of outputs: their own, or those of the model inside an ensemble that makes them (kserve-http.md section 12). Pure. */
import type { PublishedModel, TensorSpec } from "../../core/model/published-model.ts";

export type FindModel = (name: string, version: number | undefined) => PublishedModel | undefined;

/** As deep as calls of ensembles by ensembles go. */
const DEPTH_MAX = 16;

/** The outputs with the labels that clients get. */
export function labeledOutputs(outputs: readonly TensorSpec[], find: FindModel): readonly TensorSpec[] {
  if (outputs.every(({ source }) => source === undefined)) return outputs;
  return outputs.map((output) => ({ ...output, labels: labelsOf(output, find, 0) }));
}

function labelsOf({ labels, source }: TensorSpec, find: FindModel, depth: number): readonly string[] {
  if (labels.length > 0 || source === undefined || depth === DEPTH_MAX) return labels;
  const maker = find(source.model, source.version)?.outputs.find(({ name }) => name === source.output);
  return maker === undefined ? labels : labelsOf(maker, find, depth + 1);
}
