/** What an engine knows of a sequence between its steps. */
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { AppliedSteps } from "./applied-steps.ts";
import type { SequenceLog } from "./sequence-log.ts";
import type { SequencePlan } from "./sequence-plan.ts";

export interface SequenceMemory extends AppliedSteps {
  /** The token of the start. */
  readonly start: string;
  /** Where steps are kept for other nodes; undefined: nowhere. */
  readonly log: SequenceLog | undefined;
}

/** Of a sequence that has begun with the step of a token. */
export function begunMemory(states: SequencePlan["states"], start: string, log: SequenceLog | undefined): SequenceMemory {
  return { steps: 0, start, states: states.map(({ initial }) => initial), last: undefined, log };
}

/** What is kept for long must not hold a whole batch's memory for the sake of a few bytes. */
export function kept(tensor: Tensor): Tensor {
  const { data } = tensor;
  return data.buffer.byteLength <= 2 * data.byteLength ? tensor : { ...tensor, data: data.slice() };
}
