/** A pipeline over the stage model: steps run at once, results come back when the test says so. */
import type { Step, StepResult } from "../../../../core/wire/step.ts";
import type { Pipeline } from "../../../../core/wire/wire.ts";
import { StageModel } from "../generation/stage-model.ts";

export interface ModelPipelineOptions {
  readonly slots: number;
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly stageUs?: number;
  readonly onResult: (result: StepResult) => void;
}

export class ModelPipeline implements Pipeline {
  readonly steps: Step[] = [];
  closed = false;
  readonly #model: StageModel;
  readonly #results: StepResult[] = [];
  readonly #onResult: (result: StepResult) => void;

  constructor(options: ModelPipelineOptions) {
    const { stageUs = 1_000 } = options;
    this.#model = new StageModel({ ...options, stages: 1, decodeRowsMin: 1, stageUs: () => stageUs });
    this.#onResult = options.onResult;
  }

  get heldTokens(): number {
    return this.#model.heldTokens;
  }

  /** Results that have not come back. */
  get pending(): number {
    return this.#results.length;
  }

  submit(step: Step): void {
    this.steps.push(step);
    this.#results.push(this.#model.run(step));
  }

  close(): void {
    this.closed = true;
  }

  /** Brings the oldest results back; all there will ever be unless said how many. */
  deliver(count = Number.POSITIVE_INFINITY): void {
    for (let done = 0; done < count; done++) {
      const result = this.#results.shift();
      if (result === undefined) return;
      this.#onResult(result);
    }
  }
}
