/** Whether an ensemble fits the models that it is composed of, in Triton's words, and whether it is decoupled. Pure. */
import { DTYPES, type Dtype } from "../../tensor/dtype.ts";
import type { Shape } from "../../tensor/tensor.ts";
import type { EnsembleScheduling, EnsembleStep, ModelConfiguration, TensorConfiguration } from "./configuration.ts";
import { LANGUAGE_BACKEND } from "./language-settings.ts";
import type { ConfigPath, ConfigProblem } from "./problems/problem.ts";

/** A model that an ensemble is composed of. */
export interface ComposingModel {
  readonly configuration: ModelConfiguration;
  /** Of its versions under its policy. */
  readonly highest: number;
}

/** What is known of an ensemble's tensor, from the model that was looked at first. */
interface InferredTensor {
  readonly model: string;
  readonly dtype: Dtype;
  readonly dims: Shape;
  /** With the batch dimension. */
  readonly fullDims: Shape;
}

export interface ComposedEnsemble {
  /** A step gives any number of answers. */
  readonly decoupled: boolean;
  readonly problems: readonly ConfigProblem[];
}

/** @param models the composing models that are there, complete, by name */
export function composeEnsemble(
  ensemble: ModelConfiguration,
  scheduling: EnsembleScheduling,
  models: ReadonlyMap<string, ModelConfiguration>,
): ComposedEnsemble {
  const missing = [...new Set(scheduling.steps.map(({ model }) => model))].filter((model) => !models.has(model)).sort();
  if (missing.length > 0) {
    const message = `ensemble ${ensemble.name} contains models that are not available or ambiguous: ${missing.join(", ")}`;
    return { decoupled: false, problems: [{ message, path: ["ensemble_scheduling"], fix: "add them to the repository, and load them" }] };
  }
  const problems = [...mappingProblems(ensemble, scheduling, models)];
  if (problems.length > 0) return { decoupled: false, problems };
  return decoupledFlow(ensemble, scheduling, models);
}

/**
 * @param ensembles every ensemble of the repository by name
 * @returns the problem when following the steps of `name` leads back to it
 */
export function circularEnsemble(name: string, ensembles: ReadonlyMap<string, EnsembleScheduling>): ConfigProblem | undefined {
  const seen = new Set<string>();
  const queue = [name];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const { model } of ensembles.get(next)?.steps ?? []) {
      if (model === name) return circle(name, next);
      if (!seen.has(model)) queue.push(model);
      seen.add(model);
    }
  }
  return undefined;
}

/** @param last the ensemble that leads back to `name` */
export function circle(name: string, last: string): ConfigProblem {
  const message = `circular dependency between ensembles: ${name} -> ... -> ${last} -> ${name}`;
  return { message, path: ["ensemble_scheduling"], fix: "let no composing model lead back to the ensemble" };
}

function* mappingProblems(
  ensemble: ModelConfiguration,
  { steps }: EnsembleScheduling,
  models: ReadonlyMap<string, ModelConfiguration>,
): Generator<ConfigProblem> {
  const tensors = new Map<string, InferredTensor>();
  for (const tensor of [...ensemble.inputs, ...ensemble.outputs]) {
    if (!tensors.has(tensor.name)) tensors.set(tensor.name, inferred(ensemble, tensor, tensor.reshape ?? tensor.dims));
  }
  for (const [index, step] of steps.entries()) {
    const model = models.get(step.model);
    if (model === undefined) continue;
    const path = ["ensemble_scheduling", "step", index];
    if (model.maxBatchSize !== 0 && model.maxBatchSize < ensemble.maxBatchSize) {
      const message = `ensemble ${ensemble.name} allows maximum batch size ${ensemble.maxBatchSize}, but it contains model ${step.model} which only allows maximum batch size to be ${model.maxBatchSize}`;
      yield { message, path, fix: `set the ensemble's max_batch_size to at most ${model.maxBatchSize}` };
    }
    yield* nameProblems(ensemble, step, model, path);
    yield* consistencyProblems({ ensemble, model, tensors }, model.inputs, step.inputs, [...path, "input_map"]);
    yield* consistencyProblems({ ensemble, model, tensors }, model.outputs, step.outputs, [...path, "output_map"]);
  }
}

function* nameProblems(
  { name }: ModelConfiguration,
  step: EnsembleStep,
  model: ModelConfiguration,
  path: ConfigPath,
): Generator<ConfigProblem> {
  for (const [input, tensor] of step.inputs) {
    if (model.inputs.some((one) => one.name === input)) continue;
    const message = `in ensemble ${name}, ensemble tensor ${tensor} is mapping to non-existing input ${input} in model ${step.model}`;
    yield { message, path: [...path, "input_map", input], fix: `use one of ${namesOf(model.inputs)}` };
  }
  for (const input of model.inputs) {
    if (input.optional || step.inputs.has(input.name)) continue;
    const message = `in ensemble ${name}, input ${input.name} in model ${step.model} is not mapped to any ensemble tensors`;
    yield { message, path: [...path, "input_map"], fix: `add { key: "${input.name}" value: … } to input_map` };
  }
  for (const [output, tensor] of step.outputs) {
    if (model.outputs.some((one) => one.name === output)) continue;
    const message = `in ensemble ${name}, ensemble tensor ${tensor} is mapped from non-existing output ${output} in model ${step.model}`;
    yield { message, path: [...path, "output_map", output], fix: `use one of ${namesOf(model.outputs)}` };
  }
}

const namesOf = (tensors: readonly TensorConfiguration[]): string => tensors.map(({ name }) => name).join(", ");

function inferred({ name, maxBatchSize }: ModelConfiguration, { dtype }: TensorConfiguration, dims: Shape): InferredTensor {
  return { model: name, dtype, dims, fullDims: maxBatchSize > 0 ? [-1, ...dims] : dims };
}

interface Mapping {
  readonly ensemble: ModelConfiguration;
  readonly model: ModelConfiguration;
  /** Grows by what the step says of tensors that are new. */
  readonly tensors: Map<string, InferredTensor>;
}

function* consistencyProblems(
  { ensemble, model, tensors }: Mapping,
  own: readonly TensorConfiguration[],
  map: ReadonlyMap<string, string>,
  path: ConfigPath,
): Generator<ConfigProblem> {
  for (const tensor of own) {
    const name = map.get(tensor.name);
    if (name === undefined) continue;
    const here = inferred(model, tensor, tensor.dims);
    const known = tensors.get(name);
    if (known === undefined) {
      tensors.set(name, here);
      continue;
    }
    const at = [...path, tensor.name];
    const prefix = `in ensemble ${ensemble.name}, ensemble tensor ${name}: `;
    if (known.dtype !== here.dtype) {
      const message = `${prefix}inconsistent data type: ${DTYPES[known.dtype].configName} is inferred from model ${known.model} while ${DTYPES[here.dtype].configName} is inferred from model ${here.model}`;
      yield { message, path: at, fix: "connect tensors of one datatype" };
    } else if (!areAlike(known.dims, here.dims) && !areAlike(known.fullDims, here.fullDims)) {
      const message = `${prefix}inconsistent shape: [${known.fullDims.join(",")}] is inferred from model ${known.model} while [${here.fullDims.join(",")}] is inferred from model ${here.model}`;
      yield { message, path: at, fix: "connect tensors of one shape, or reshape one of them" };
    }
  }
}

/** Sizes that vary fit any size: what comes is checked when it comes. */
const areAlike = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, index) => size === b[index] || size === -1 || b[index] === -1);

/**
 * A step of a decoupled model begins a stream of answers of its own; a step may not read from two such streams.
 * Labels number the streams, 0 is the request's own.
 */
function decoupledFlow(
  ensemble: ModelConfiguration,
  { steps }: EnsembleScheduling,
  models: ReadonlyMap<string, ModelConfiguration>,
): ComposedEnsemble {
  const labels = new Map(ensemble.inputs.map(({ name }) => [name, 0]));
  let streams = 0;
  const waiting = new Set(steps);
  for (let isMoving = true; isMoving; ) {
    isMoving = false;
    for (const step of waiting) {
      const sources = [...step.inputs.values()].map((name) => labels.get(name));
      if (sources.includes(undefined)) continue;
      const [label = 0] = sources;
      if (sources.some((other) => other !== label)) {
        const message = `in ensemble ${ensemble.name}, step of model '${step.model}' receives inputs originated from different decoupled models`;
        return {
          decoupled: true,
          problems: [{ message, path: ["ensemble_scheduling"], fix: "let a step read from one decoupled model only" }],
        };
      }
      const own = isDecoupledStep(step, models.get(step.model)) ? ++streams : label;
      for (const name of step.outputs.values()) labels.set(name, own);
      waiting.delete(step);
      isMoving = true;
    }
  }
  return { decoupled: streams > 0, problems: [] };
}

/** Whether it gives any number of answers. A language model does where the step hands it `stream`, and else one with the whole text. */
export function isDecoupledStep({ inputs }: EnsembleStep, model: ModelConfiguration | undefined): boolean {
  return model?.decoupled === true && (model.backend !== LANGUAGE_BACKEND || inputs.has("stream"));
}
