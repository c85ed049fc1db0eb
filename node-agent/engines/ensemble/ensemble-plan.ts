/** What an ensemble's engine must know: its steps, and which tensors flow between them, by number. Made once, at load. Pure. */
import { assert } from "../../../core/errors.ts";
import type { EnsembleScheduling, ModelConfiguration } from "../../../core/model/config/configuration.ts";
import { type ComposingModel, isDecoupledStep } from "../../../core/model/config/ensemble-models.ts";
import type { Shape } from "../../../core/tensor/tensor.ts";

/** An input of a step: which tensor it takes. */
export interface StepInput {
  readonly name: string;
  readonly tensor: number;
  /** As the model wants it, without the batch dimension. */
  readonly dims: Shape;
}

export interface StepOutput {
  readonly name: string;
  readonly tensor: number;
}

export interface PlannedStep {
  readonly model: string;
  /** undefined: the highest that is ready. */
  readonly version: number | undefined;
  /** Which version may answer on the ensemble's own node: of no version in particular, the highest that is wanted. */
  readonly near: number | undefined;
  /** Its model has a batch dimension. */
  readonly batches: boolean;
  readonly inputs: readonly StepInput[];
  /** Of a step with `inner` none. */
  readonly outputs: readonly StepOutput[];
  /** Its model answers any number of times. */
  readonly decoupled?: boolean;
  /** What runs for each answer of a decoupled model (`nested-plan.ts`). */
  readonly inner?: EnsemblePlan;
  /** Which of the ensemble's steps it is; its place in the plan's list unless said. */
  readonly place?: number;
}

export interface EnsemblePlan {
  readonly name: string;
  readonly maxBatchSize: number;
  /** How many tensors there are; their numbers are 0 up to here. */
  readonly tensors: number;
  readonly inputs: readonly StepOutput[];
  /** In the order in which clients get them. */
  readonly outputs: readonly StepInput[];
  readonly steps: readonly PlannedStep[];
  /** Of each step, over all requests; 0: unlimited. */
  readonly maxInflight: number;
}

/** @param models that the ensemble is composed of, checked to fit */
export function ensemblePlan(
  { name, maxBatchSize, inputs, outputs }: ModelConfiguration,
  scheduling: EnsembleScheduling,
  models: ReadonlyMap<string, ComposingModel>,
): EnsemblePlan {
  const numbers = new Map<string, number>();
  const numberOf = (tensor: string): number => {
    const known = numbers.get(tensor) ?? numbers.size;
    numbers.set(tensor, known);
    return known;
  };
  const steps = scheduling.steps.map((step): PlannedStep => {
    const model = models.get(step.model);
    assert(model !== undefined, "an ensemble is planned when its models are known");
    const { configuration, highest } = model;
    return {
      model: step.model,
      version: step.version,
      near: configuration.scheduler.kind === "sequence" ? undefined : (step.version ?? highest), // a sequence has an owner
      batches: configuration.maxBatchSize > 0,
      inputs: configuration.inputs.flatMap((input) => {
        const tensor = step.inputs.get(input.name);
        return tensor === undefined ? [] : [{ name: input.name, tensor: numberOf(tensor), dims: input.dims }];
      }),
      ...(isDecoupledStep(step, configuration) && { decoupled: true }),
      outputs: [...step.outputs].map(([output, tensor]) => ({ name: output, tensor: numberOf(tensor) })),
    };
  });
  return {
    name,
    maxBatchSize,
    inputs: inputs.map((input) => ({ name: input.name, tensor: numberOf(input.name) })),
    outputs: outputs.map((output) => ({ name: output.name, tensor: numberOf(output.name), dims: output.reshape ?? output.dims })),
    steps,
    maxInflight: scheduling.maxInflightRequests,
    tensors: numbers.size,
  };
}
