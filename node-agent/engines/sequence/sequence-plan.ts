/** What the sequence engine must know of a model's configuration. Pure. */
import type { SequenceBatching, SequenceControl } from "../../../core/model/config/configuration.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { BatchPlan } from "../batch/batch-plan.ts";

export interface SequencePlan extends Pick<SequenceBatching, "strategy" | "idleUs" | "iterative"> {
  /** Of all that the model takes and gives: the clients' tensors, controls and states. */
  readonly batch: BatchPlan;
  /** What clients send, and what they get when they name no outputs. */
  readonly inputs: BatchPlan["inputs"];
  readonly outputs: readonly string[];
  readonly controls: readonly SequenceControl[];
  readonly states: readonly PlannedState[];
  readonly startAfter: number;
  readonly backlogAfter: number;
  /** The model takes its rows as requests: it is told of each what its client said. */
  readonly apart?: boolean;
}

export interface PlannedState {
  readonly outputName: string;
  /** The input's tensor in a sequence's first step, as one row of a batch where the model batches. */
  readonly initial: Tensor;
  /** Its shape may differ from step to step. */
  readonly varies: boolean;
}
