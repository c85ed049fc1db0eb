/** What an engine knows of a sequence between its steps. */
import type { InferTimes } from "../../../core/messages/infer.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { SequenceLog } from "./sequence-log.ts";

export interface SequenceMemory {
  /** Steps that were applied since the start. */
  readonly steps: number;
  /** The token of the start. */
  readonly start: string;
  /** By the plan's order, under the names of the model's inputs; each owns its bytes, or most of the memory behind them. */
  readonly states: readonly Tensor[];
  /** The last step that was applied; undefined: none yet. */
  readonly last: AppliedStep | undefined;
  /** Where steps are kept for other nodes; undefined: nowhere. */
  readonly log: SequenceLog | undefined;
}

/** Sent again, the step is answered with this. */
export interface AppliedStep {
  readonly token: string;
  readonly outputs: readonly Tensor[];
  readonly times: InferTimes;
}

/** What is kept for long must not hold a whole batch's memory for the sake of a few bytes. */
export function kept(tensor: Tensor): Tensor {
  const { data } = tensor;
  return data.buffer.byteLength <= 2 * data.byteLength ? tensor : { ...tensor, data: data.slice() };
}
