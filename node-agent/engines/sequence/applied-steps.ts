/** What a sequence's steps have come to, and the last of them as it was answered. */
import type { InferTimes } from "../../../core/messages/infer.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";

/** Sent again, the step is answered with this. */
export interface AppliedStep {
  readonly token: string;
  readonly outputs: readonly Tensor[];
  readonly times: InferTimes;
}

export interface AppliedSteps {
  /** Since the start. */
  readonly steps: number;
  /** By the plan's order, under the names of the model's inputs; each owns its bytes, or most of the memory behind them. */
  readonly states: readonly Tensor[];
  /** undefined: none yet. */
  readonly last: AppliedStep | undefined;
}
