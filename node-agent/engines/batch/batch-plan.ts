/** What an engine must know of a model's configuration: how requests become batches, and results answers. Pure. */
import { ServingError } from "../../../core/errors.ts";
import type { BatchInputConfiguration } from "../../../core/model/config/configuration.ts";
import type { Shape } from "../../../core/tensor/tensor.ts";
import type { Batch, ModelSignature } from "../../../core/wire/model-runner.ts";
import type { BatchOptions } from "../../scheduling/batch-options.ts";
import type { RatedInstance } from "../../scheduling/rate-limiter.ts";

export interface PlannedTensor {
  readonly name: string;
  /** As clients see it, without the batch dimension; -1 is a size that varies. */
  readonly dims: Shape;
  /** What the model sees instead, without the batch dimension; undefined: the same. */
  readonly reshape: Shape | undefined;
}

export interface PlannedInput extends PlannedTensor {
  readonly optional: boolean;
  /** Requests of different shapes share a batch; the model gets their elements flat, one after the other. */
  readonly ragged: boolean;
}

export interface PlannedOutput extends PlannedTensor {
  /** The input whose shape each request's part has, of an output that the model gives flat; undefined: parts are rows. */
  readonly shapedLike: string | undefined;
}

/** Run on every instance before it takes requests. */
export interface WarmUp {
  readonly name: string;
  readonly batch: Batch;
  readonly count: number;
}

export interface BatchPlan extends BatchOptions {
  /** At least one. */
  readonly instances: number;
  readonly inputs: readonly PlannedInput[];
  /** In the order in which clients get them. */
  readonly outputs: readonly PlannedOutput[];
  readonly batchInputs: readonly BatchInputConfiguration[];
  readonly warmUps: readonly WarmUp[];
  /** What each instance needs of the node's counted resources; those behind the last need nothing. */
  readonly rates: readonly RatedInstance[];
}

/** @throws ServingError INVALID_ARGUMENT when the plan names what the model has not, or leaves out what it needs. */
export function checkPlan(model: string, plan: BatchPlan, signature: ModelSignature): void {
  const given = new Set([...plan.inputs.map(({ name }) => name), ...plan.batchInputs.flatMap(({ targets }) => targets)]);
  const taken = signature.inputs.map(({ name }) => name);
  for (const name of given)
    if (!taken.includes(name)) refuse(`unexpected inference input '${name}' for model '${model}', allowed inputs are: ${taken.join(", ")}`);
  const missing = signature.inputs.find(({ name, optional }) => !optional && !given.has(name));
  if (missing !== undefined) refuse(`model '${model}' needs an input '${missing.name}', its configuration has none of that name`);
  const made = signature.outputs.map(({ name }) => name);
  for (const { name } of plan.outputs)
    if (!made.includes(name)) refuse(`unexpected inference output '${name}' for model '${model}', allowed outputs are: ${made.join(", ")}`);
}

function refuse(message: string): never {
  throw new ServingError("INVALID_ARGUMENT", message);
}
