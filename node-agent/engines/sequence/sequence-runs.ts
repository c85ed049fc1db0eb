/** Runs sequence batches on instances. A batch whose runner dies is run once more by the same instance, since nothing of it was applied. */
import { ServingError } from "../../../core/errors.ts";
import type { ModelInstance, ModelInstances } from "../batch/model-instances.ts";
import type { SequenceExecutor, SequenceOutcome } from "./sequence-executor.ts";
import type { SequenceStep } from "./sequence-step.ts";

export type Rows = readonly (SequenceStep | undefined)[];
export type DoneRows = Extract<SequenceOutcome, { readonly kind: "done" }>;

export interface RunOutcomes {
  readonly done: (outcome: DoneRows) => void;
  readonly failed: (steps: readonly SequenceStep[], error: ServingError) => void;
  /** An instance may be free. */
  readonly after: () => void;
}

interface Batch {
  readonly rows: Rows;
  readonly deaths: number;
}

/** Runners that may die of a batch before its steps fail. */
const DEATHS_MAX = 2;

export class SequenceRuns {
  readonly #executor: SequenceExecutor;
  readonly #instances: ModelInstances;
  readonly #outcomes: RunOutcomes;
  /** Batches whose runner died, by instance. */
  readonly #again = new Map<number, Batch>();
  #over = false;

  constructor(executor: SequenceExecutor, instances: ModelInstances, outcomes: RunOutcomes) {
    this.#executor = executor;
    this.#instances = instances;
    this.#outcomes = outcomes;
  }

  /** Those of a batch that is to be run again count until that has run. @param instance idle */
  start(rows: Rows, instance: ModelInstance): void {
    this.#start({ rows, deaths: 0 }, instance);
  }

  /** To be called before anything else is run on what is idle. */
  startAgain(): void {
    for (const instance of this.#instances.idle) {
      const batch = this.#again.get(instance.number);
      if (batch === undefined) continue;
      this.#again.delete(instance.number);
      this.#start(batch, instance);
    }
  }

  /** What waits for another runner fails; from now on nothing is run again. */
  giveUp(error: ServingError, { over }: { readonly over: boolean }): void {
    this.#over ||= over;
    for (const [instance, { rows }] of this.#again) {
      this.#again.delete(instance);
      this.#outcomes.failed(stepsOf(rows), error);
    }
  }

  #start(batch: Batch, instance: ModelInstance): void {
    const runner = this.#instances.take(instance);
    this.#executor
      .run(batch.rows, runner)
      .then((outcome) => {
        this.#instances.giveBack(instance, outcome.kind === "died" ? "death" : "answer");
        if (outcome.kind === "done") this.#outcomes.done(outcome);
        else if (outcome.kind === "failed") this.#outcomes.failed(stepsOf(batch.rows), outcome.error);
        else this.#died(batch, instance, outcome.error);
      })
      .catch((thrown) => this.#outcomes.failed(stepsOf(batch.rows), ServingError.from(thrown)))
      .finally(() => this.#outcomes.after());
  }

  #died({ rows, deaths }: Batch, { number }: ModelInstance, cause: ServingError): void {
    if (!this.#over && deaths + 1 < DEATHS_MAX) {
      this.#again.set(number, { rows, deaths: deaths + 1 });
      return;
    }
    const message = `${deaths + 1} processes died while they ran this request or others of its batch: ${cause.message}`;
    this.#outcomes.failed(stepsOf(rows), new ServingError("INTERNAL", message, { reason: "runner_died", cause }));
  }
}

const stepsOf = (rows: Rows): readonly SequenceStep[] => rows.filter((step) => step !== undefined);
