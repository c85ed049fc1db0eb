/**
 * Steps of sequences that this node does not know: the store is asked whose they are, and the sequence goes on here, there, or nowhere.
 * Steps that come meanwhile wait in line.
 */
import { ServingError } from "../../../core/errors.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { AppliedStep } from "./applied-steps.ts";
import { appliedStep, SequenceLog, type SequenceLogs, storedStates } from "./sequence-log.ts";
import type { SequenceMemory } from "./sequence-memory.ts";
import type { HostedSequence, SequenceStep } from "./sequence-step.ts";

export interface TakeoverOptions {
  readonly model: string;
  /** undefined: sequences are not kept, and a step of an unknown one is refused at once. */
  readonly logs: SequenceLogs | undefined;
  readonly initial: readonly Tensor[];
}

/** What becomes of a step that had to wait. */
export interface TakeoverOutcomes {
  /** @throws ServingError why it is refused */
  offer(step: SequenceStep, resumed: SequenceMemory | undefined): void;
  failed(step: SequenceStep, error: ServingError): void;
  moved(step: SequenceStep, owner: string): void;
  /** It was applied before. */
  again(step: SequenceStep, applied: AppliedStep): void;
  /** Nothing waits for this sequence any more. */
  settled(): void;
}

type Found = Awaited<ReturnType<typeof SequenceLog.takeOver>>;

export class SequenceTakeovers {
  readonly #options: TakeoverOptions;
  readonly #outcomes: TakeoverOutcomes;
  /** By sequence, in the order of arrival. */
  readonly #waiting = new Map<string, SequenceStep[]>();

  constructor(options: TakeoverOptions, outcomes: TakeoverOutcomes) {
    this.#options = options;
    this.#outcomes = outcomes;
  }

  /** Steps that wait for the store. */
  get waiting(): number {
    let sum = 0;
    for (const steps of this.#waiting.values()) sum += steps.length;
    return sum;
  }

  /**
   * @returns true: it waits here; false: the scheduler knows what to do with it
   * @throws ServingError DATA_LOSS when its sequence was on a node that is gone, and is kept nowhere
   */
  admits(step: SequenceStep, sequence: HostedSequence | undefined): boolean {
    const line = this.#waiting.get(step.key);
    if (line !== undefined) {
      line.push(step);
      return true;
    }
    if (step.start || sequence?.open === true) return false;
    const { logs } = this.#options;
    if (logs === undefined) {
      if (step.passage.from !== "") throw this.#lost(step, "and its state with it");
      return false;
    }
    const begun = [step];
    this.#waiting.set(step.key, begun);
    SequenceLog.takeOver(logs, step.key, step.passage.from)
      .then((found) => this.#found(step, found))
      .catch((thrown) => this.#end(step.key, (one) => this.#outcomes.failed(one, ServingError.from(thrown))));
    return true;
  }

  /** The step that waits here with the same token. */
  find({ key, token }: SequenceStep): SequenceStep | undefined {
    return this.#waiting.get(key)?.find((step) => step.token === token);
  }

  /** @returns whether it waited here */
  cancel(step: SequenceStep): boolean {
    const line = this.#waiting.get(step.key);
    const place = line?.indexOf(step) ?? -1;
    if (place >= 0) line?.splice(place, 1);
    return place >= 0;
  }

  /** @returns all that wait */
  clear(): readonly SequenceStep[] {
    const steps = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    return steps;
  }

  #found(asked: SequenceStep, found: Found): void {
    if (found.kind === "owned") {
      this.#end(asked.key, (step) => (step.start ? this.#offer(step) : this.#outcomes.moved(step, found.owner)));
      return;
    }
    let resumed = found.kind === "taken" ? this.#memory(found) : undefined;
    const applied = found.kind === "unknown" ? undefined : appliedStep(found.record);
    this.#end(asked.key, (step) => {
      if (applied !== undefined && applied.token === step.token && step.token !== "") this.#outcomes.again(step, applied);
      else if (resumed !== undefined && this.#isBehind(step, resumed)) {
        const where = `and only the state after step ${resumed.steps} was kept: go on from there with the parameter sequence_step, or start it again`;
        this.#outcomes.failed(step, this.#lost(step, where));
      } else if (found.kind === "unknown" && step.passage.from !== "" && !step.start) {
        this.#outcomes.failed(step, this.#lost(step, "and its state is not in the store"));
      } else {
        this.#offer(step, resumed);
        resumed = undefined;
      }
    });
  }

  /** Its gateway has seen more answers than there are steps in the state. One who says which step is meant will be told by that. */
  #isBehind({ step, start, passage }: SequenceStep, memory: SequenceMemory): boolean {
    return step === undefined && !start && passage.start === memory.start && passage.answered > memory.steps;
  }

  #memory({ record, log }: Extract<Found, { readonly kind: "taken" }>): SequenceMemory {
    const { steps, start } = record;
    return { steps, start, states: steps === 0 ? this.#options.initial : storedStates(record), last: appliedStep(record), log };
  }

  #offer(step: SequenceStep, resumed?: SequenceMemory): void {
    try {
      this.#outcomes.offer(step, resumed);
    } catch (thrown) {
      this.#outcomes.failed(step, ServingError.from(thrown));
    }
  }

  #end(key: string, act: (step: SequenceStep) => void): void {
    const line = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const step of line) act(step);
    this.#outcomes.settled();
  }

  #lost({ correlation }: SequenceStep, what: string): ServingError {
    return new ServingError("DATA_LOSS", `sequence ${correlation} of model '${this.#options.model}' was on a node that is gone, ${what}`, {
      reason: "sequence_lost",
    });
  }
}
