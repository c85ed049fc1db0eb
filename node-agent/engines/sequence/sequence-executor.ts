/** Runs a sequence batch on a runner: each row with its sequence's state, and what comes back as answers and new states. */
import type { Clock } from "../../../core/clock.ts";
import { assert, ServingError } from "../../../core/errors.ts";
import { NO_PARAMETERS } from "../../../core/messages/parameter-value.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { BatchRow, ModelRunnerHandle } from "../../../core/wire/model-runner.ts";
import { isDeath } from "../../../core/wire/runner-death.ts";
import { BatchAssembler } from "../batch/assemble.ts";
import { type ComputeTimes, computeTimes } from "../batch/compute-times.ts";
import { type BatchMember, ResultSplitter } from "../batch/split.ts";
import { RowTensors } from "./row-tensors.ts";
import type { SequencePlan } from "./sequence-plan.ts";
import type { SequenceStep } from "./sequence-step.ts";

export interface RowResult {
  readonly step: SequenceStep;
  readonly outputs: readonly Tensor[];
  /** The sequence's next state. */
  readonly states: readonly Tensor[];
}

/** It alone: nothing of it has been applied. */
export interface FailedRow {
  readonly step: SequenceStep;
  readonly error: ServingError;
}

export type SequenceOutcome =
  | {
      readonly kind: "done";
      readonly startedMs: number;
      readonly compute: ComputeTimes;
      readonly rows: readonly RowResult[];
      readonly failed: readonly FailedRow[];
    }
  | { readonly kind: "failed"; readonly error: ServingError }
  /** Nothing has been applied: another runner can be tried. */
  | { readonly kind: "died"; readonly error: ServingError };

/** A batch that is under way is not stopped: its steps are applied, whoever still waits for them. */
const NEVER = new AbortController().signal;

export class SequenceExecutor {
  readonly #plan: SequencePlan;
  readonly #rows: RowTensors;
  readonly #initial: readonly Tensor[];
  readonly #assembler: BatchAssembler;
  readonly #splitter: ResultSplitter;
  readonly #clock: Clock;

  constructor(plan: SequencePlan, clock: Clock) {
    this.#plan = plan;
    this.#rows = new RowTensors(plan);
    this.#initial = plan.states.map(({ initial }) => initial);
    this.#assembler = new BatchAssembler(plan.batch);
    this.#splitter = new ResultSplitter(plan.batch);
    this.#clock = clock;
  }

  /** @param rows at least one is a step. Never rejects. */
  async run(rows: readonly (SequenceStep | undefined)[], runner: ModelRunnerHandle): Promise<SequenceOutcome> {
    const startedMs = this.#clock.now();
    try {
      const members = this.#members(rows);
      const batch = this.#assembler.assemble(members.map(({ submit }) => submit));
      const apart = this.#plan.apart === true && { rows: members.map(({ submit }, row) => ({ ...submit, ...told(rows[row]) })) };
      const result = await runner.execute({ ...batch, ...apart }, NEVER);
      const parts = this.#splitter.split(result.outputs, members);
      const compute = computeTimes(result, this.#clock.now() - startedMs);
      const { results, failed } = this.#apart(rows, parts, result.failed ?? NONE_FAILED);
      return { kind: "done", startedMs, compute, rows: results, failed };
    } catch (thrown) {
      const error = ServingError.from(thrown);
      return { kind: isDeath(error) ? "died" : "failed", error };
    }
  }

  #apart(rows: readonly (SequenceStep | undefined)[], parts: readonly (readonly Tensor[])[], failures: ReadonlyMap<number, ServingError>) {
    const results: RowResult[] = [];
    const failed: FailedRow[] = [];
    for (const [row, step] of rows.entries()) {
      if (step === undefined) continue;
      const error = failures.get(row);
      if (error === undefined) results.push(this.#result(step, parts[row] ?? []));
      else failed.push({ step, error });
    }
    return { results, failed };
  }

  #members(rows: readonly (SequenceStep | undefined)[]): readonly BatchMember[] {
    const model = rows.find((step) => step !== undefined);
    assert(model !== undefined, "a batch has a step");
    const empty = { id: undefined, start: false, end: false, states: this.#statesOf(model) };
    return rows.map((step) => {
      if (step === undefined) return this.#rows.row(model.hosted.submit, empty);
      const { sequenceId: id, start, end } = step;
      return this.#rows.row(step.hosted.submit, { id, start, end, states: this.#statesOf(step) });
    });
  }

  #statesOf({ sequence }: SequenceStep): readonly Tensor[] {
    return sequence?.memory?.states ?? this.#initial;
  }

  #result(step: SequenceStep, parts: readonly Tensor[]): RowResult {
    const outputs = parts.slice(0, this.#rows.visible(step.hosted.submit));
    const states = this.#plan.states.map(({ outputName, initial }) => {
      const state = parts.find(({ name }) => name === outputName);
      assert(state !== undefined, `the runner gave state '${outputName}'`);
      return { ...state, name: initial.name };
    });
    return { step, outputs, states };
  }
}

const NONE_FAILED: ReadonlyMap<number, ServingError> = new Map();
const NOBODY = { id: "", parameters: NO_PARAMETERS, timeoutUs: 0, from: undefined };

/** What a model that takes requests apart gets to know of a row's. */
function told(step: SequenceStep | undefined): Pick<BatchRow, "id" | "parameters" | "timeoutUs" | "from"> {
  if (step === undefined) return NOBODY;
  const { submit, deadlineMs, upcalls } = step.hosted;
  const { id, parameters, queueTimeoutUs } = submit;
  return { id, parameters, timeoutUs: queueTimeoutUs, from: { submit, deadlineMs, upcalls } };
}
