/**
 * One request's way through an ensemble: a step runs as soon as all that it takes is there, side by side with others; a tensor is let
 * go when its last taker has it. Batch dimensions are added and taken away where a model that batches meets one that does not, as in
 * Triton's ensemble scheduler (ReshapeTensorDims). Pure.
 */
import { assert } from "../../../core/errors.ts";
import type { Shape, Tensor } from "../../../core/tensor/tensor.ts";
import type { FlowGraph } from "./flow-graph.ts";

interface Present {
  readonly tensor: Tensor;
  /** 0: its maker does not batch. */
  readonly batchSize: number;
}

/** `absent`: settled, but there is none: an optional input was not given, a model gave no such output. */
type Slot = Present | "absent" | undefined;

export class DataFlow {
  readonly #graph: FlowGraph;
  readonly #slots: Slot[];
  /** By tensor: takers that have not taken it. */
  readonly #uses: number[];
  /** By step: tensors that it still waits for. */
  readonly #missing: number[];
  /** By step: the batch size that it ran with. */
  readonly #batchSizes: number[] = [];
  #running = 0;
  /** Wanted outputs that are not there, and steps that answer any number of times and have not ended. */
  #unsettled: number;

  constructor(graph: FlowGraph) {
    this.#graph = graph;
    this.#slots = Array.from({ length: graph.plan.tensors }, () => undefined);
    this.#uses = [...graph.uses];
    this.#missing = graph.takes.map((tensors) => tensors?.length ?? 0);
    this.#unsettled = graph.wanted.length + graph.inner.filter((inner) => inner !== undefined).length;
  }

  /** Steps that were told to run and have not come back. */
  get running(): number {
    return this.#running;
  }

  /** Every wanted output is settled, and no more answers come. */
  get complete(): boolean {
    return this.#unsettled === 0;
  }

  /** @returns the steps to run now */
  begin(inputs: readonly Tensor[], batchSize: number): readonly number[] {
    const ready: number[] = [];
    for (const { name, tensor } of this.#graph.plan.inputs) {
      const given = inputs.find((input) => input.name === name);
      this.#settle(tensor, given === undefined ? "absent" : { tensor: given, batchSize }, ready);
    }
    return this.#start(ready);
  }

  /** What the step is called with; to be asked once, when it begins. Tensors are named as its model names them. */
  take(step: number): readonly Tensor[] {
    const planned = this.#graph.plan.steps[step];
    assert(planned !== undefined, "the step is one of the plan's");
    const inputs: Tensor[] = [];
    for (const { name, tensor, dims } of planned.inputs) {
      const slot = this.#slots[tensor];
      assert(slot !== undefined, "a step begins when all that it takes is there");
      if (slot !== "absent") inputs.push({ ...slot.tensor, name, shape: fitted(slot, dims, planned.batches) });
    }
    for (const tensor of this.#graph.takes[step] ?? []) this.#taken(tensor);
    this.#batchSizes[step] = planned.batches ? (inputs[0]?.shape[0] ?? 1) : 0;
    return inputs;
  }

  /** The batch size of what the step gives; 0: it does not batch. */
  batchSizeOf(step: number): number {
    return this.#batchSizes[step] ?? 0;
  }

  /** The step's answer has come, or the last of its answers. @returns the steps to run now */
  completed(step: number, outputs: readonly Tensor[]): readonly number[] {
    this.#running -= 1;
    if (this.#graph.inner[step] !== undefined) this.#unsettled -= 1;
    const ready: number[] = [];
    for (const { name, tensor } of this.#graph.plan.steps[step]?.outputs ?? []) {
      const given = outputs.find((output) => output.name === name);
      this.#settle(tensor, given === undefined ? "absent" : { tensor: given, batchSize: this.#batchSizes[step] ?? 0 }, ready);
    }
    return this.#start(ready);
  }

  /** The request's answer, once it is complete; outputs that no model gave are left out. */
  outputs(): readonly Tensor[] {
    const { plan, wanted } = this.#graph;
    return wanted.flatMap((place) => {
      const output = plan.outputs[place];
      const slot = output === undefined ? undefined : this.#slots[output.tensor];
      if (output === undefined || slot === undefined || slot === "absent") return [];
      return { ...slot.tensor, name: output.name, shape: fitted(slot, output.dims, plan.maxBatchSize > 0) };
    });
  }

  #settle(tensor: number, slot: Present | "absent", ready: number[]): void {
    if (this.#uses[tensor] === 0) return;
    this.#slots[tensor] = slot;
    for (const taker of this.#graph.takers[tensor] ?? []) {
      const left = (this.#missing[taker] ?? 0) - 1;
      this.#missing[taker] = left;
      if (left === 0) ready.push(taker);
    }
    for (const place of this.#graph.wanted) if (this.#graph.plan.outputs[place]?.tensor === tensor) this.#unsettled -= 1;
  }

  #taken(tensor: number): void {
    const left = (this.#uses[tensor] ?? 0) - 1;
    this.#uses[tensor] = left;
    if (left === 0) this.#slots[tensor] = undefined;
  }

  #start(ready: readonly number[]): readonly number[] {
    this.#running += ready.length;
    return ready;
  }
}

/** The shape that a taker wants: with a leading 1 more, or one less, where only one of the two batches. */
function fitted({ tensor: { shape }, batchSize }: Present, dims: Shape, batches: boolean): Shape {
  if (batches === batchSize > 0) return shape;
  if (batches) return matches(shape, dims) ? [1, ...shape] : shape;
  return batchSize === 1 && !matches(shape, dims) ? shape.slice(1) : shape;
}

const matches = (shape: Shape, dims: Shape): boolean =>
  shape.length === dims.length && dims.every((size, axis) => size === -1 || size === shape[axis]);
