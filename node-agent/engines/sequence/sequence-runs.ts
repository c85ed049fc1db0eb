/**
 * Runs sequence batches on instances, each when the node's gate lets its instance. A batch whose runner dies is run once more by the
 * same instance, since nothing of it was applied.
 */
import { ServingError } from "../../../core/errors.ts";
import type { GatedInstances } from "../batch/gated-instances.ts";
import type { InstancePasses } from "../batch/instance-passes.ts";
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
  readonly #passes: InstancePasses;
  readonly #outcomes: RunOutcomes;
  /** Batches that wait for their instance's pass, or for its next runner. */
  readonly #waiting = new Map<number, Batch>();
  #over = false;

  constructor(executor: SequenceExecutor, gated: GatedInstances, outcomes: RunOutcomes) {
    this.#executor = executor;
    this.#instances = gated.instances;
    this.#passes = gated.passes;
    this.#outcomes = outcomes;
  }

  /** Idle instances for which no batch waits. */
  get free(): readonly ModelInstance[] {
    return this.#instances.idle.filter(({ number }) => !this.#waiting.has(number));
  }

  /** @param instance free; the batch is its own until it has run */
  start(rows: Rows, instance: ModelInstance): void {
    this.#waiting.set(instance.number, { rows, deaths: 0 });
    this.startWaiting();
  }

  /** Starts what may run by now. */
  startWaiting(): void {
    for (const instance of this.#instances.idle) {
      const batch = this.#waiting.get(instance.number);
      if (batch === undefined || !this.#passes.admit(instance.number)) continue;
      this.#waiting.delete(instance.number);
      this.#start(batch, instance);
    }
  }

  /** What waits fails; from now on nothing is run again. */
  giveUp(error: ServingError, { over }: { readonly over: boolean }): void {
    this.#over ||= over;
    for (const [instance, { rows }] of this.#waiting) {
      this.#waiting.delete(instance);
      this.#outcomes.failed(stepsOf(rows), error);
    }
    this.#passes.rest();
  }

  /** The instances are gone. */
  close(): void {
    this.#passes.close();
  }

  #start(batch: Batch, instance: ModelInstance): void {
    this.#passes.execute(instance.number);
    const runner = this.#instances.take(instance);
    this.#executor
      .run(batch.rows, runner)
      .then((outcome) => {
        this.#instances.giveBack(instance, outcome.kind === "died" ? "death" : "answer");
        this.#passes.leave(instance.number);
        if (outcome.kind === "done") this.#outcomes.done(outcome);
        else if (outcome.kind === "failed") this.#outcomes.failed(stepsOf(batch.rows), outcome.error);
        else this.#died(batch, instance, outcome.error);
      })
      .catch((thrown) => this.#outcomes.failed(stepsOf(batch.rows), ServingError.from(thrown)))
      .finally(() => this.#outcomes.after());
  }

  #died({ rows, deaths }: Batch, { number }: ModelInstance, cause: ServingError): void {
    if (!this.#over && deaths + 1 < DEATHS_MAX) {
      this.#waiting.set(number, { rows, deaths: deaths + 1 });
      return;
    }
    const message = `${deaths + 1} processes died while they ran this request or others of its batch: ${cause.message}`;
    this.#outcomes.failed(stepsOf(rows), new ServingError("INTERNAL", message, { reason: "runner_died", cause }));
  }
}

const stepsOf = (rows: Rows): readonly SequenceStep[] => rows.filter((step) => step !== undefined);
