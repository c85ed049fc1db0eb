/** Requests that run together become one batch: inputs are joined where they are copied anyway, so nothing is copied here. Pure. */
import { assert } from "../../../core/errors.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import { elementCount, partsOf, type Shape, type Tensor } from "../../../core/tensor/tensor.ts";
import type { Batch, BatchInput } from "../../../core/wire/model-runner.ts";
import { batchInputs } from "./batch-inputs.ts";
import type { BatchPlan, PlannedInput } from "./batch-plan.ts";
import { reshaped } from "./reshape.ts";

type RequestTensors = Pick<InferSubmit, "inputs" | "outputs">;

export class BatchAssembler {
  readonly #plan: Pick<BatchPlan, "maxBatchSize" | "batchInputs">;
  readonly #inputs: ReadonlyMap<string, PlannedInput>;
  readonly #allOutputs: readonly string[];

  constructor(plan: Pick<BatchPlan, "maxBatchSize" | "inputs" | "outputs" | "batchInputs">) {
    this.#plan = plan;
    this.#inputs = new Map(plan.inputs.map((input) => [input.name, input]));
    this.#allOutputs = plan.outputs.map(({ name }) => name);
  }

  /** @param requests at least one, all of one form */
  assemble(requests: readonly RequestTensors[]): Batch {
    const [first] = requests;
    assert(first !== undefined, "a batch has a request");
    const inputs = first.inputs.map((tensor, place) => this.#join(tensor, place, requests));
    for (const planned of this.#plan.batchInputs) {
      const sources = requests.flatMap((request) => request.inputs.filter(({ name }) => name === planned.source));
      inputs.push(...batchInputs(planned, sources));
    }
    return { inputs, outputs: this.outputs(requests) };
  }

  /** What is asked for by any of these, in the plan's order. */
  outputs(requests: readonly RequestTensors[]): readonly string[] {
    if (requests.some(({ outputs }) => outputs.length === 0)) return this.#allOutputs;
    const wanted = new Set(requests.flatMap(({ outputs }) => outputs));
    return wanted.size === this.#allOutputs.length ? this.#allOutputs : this.#allOutputs.filter((name) => wanted.has(name));
  }

  #join(first: Tensor, place: number, requests: readonly RequestTensors[]): BatchInput {
    const planned = this.#inputs.get(first.name);
    const tensors = requests.length === 1 ? [first] : requests.map((request) => tensorAt(request, place, first.name));
    const parts = tensors.length === 1 ? partsOf(first) : tensors.flatMap(partsOf);
    if (planned?.ragged === true) {
      const elements = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
      return { head: { name: first.name, dtype: first.dtype, shape: [elements] }, parts };
    }
    const shape = this.#shape(planned, tensors);
    return { head: { name: first.name, dtype: first.dtype, shape }, parts };
  }

  #shape(planned: PlannedInput | undefined, tensors: readonly Tensor[]): Shape {
    const [first] = tensors;
    assert(first !== undefined, "a batch has a request");
    const batchDimensions = this.#plan.maxBatchSize > 0 ? 1 : 0;
    const rows = tensors.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    const shape = tensors.length === 1 ? first.shape : [rows, ...first.shape.slice(1)];
    if (planned?.reshape === undefined) return shape;
    return reshaped(shape, { from: planned.dims, to: planned.reshape, batchDimensions });
  }
}

function tensorAt({ inputs }: RequestTensors, place: number, name: string): Tensor {
  const tensor = inputs[place];
  assert(tensor?.name === name, "requests of one form have the same inputs in the same order");
  return tensor;
}
