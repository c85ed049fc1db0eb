/** Steps that were submitted and have not come back, oldest first, each with what its result means. Pure. */
import { assert } from "../../core/errors.ts";
import type { StepResult } from "../../core/wire/step.ts";
import type { MicroBatch } from "./micro-batch.ts";
import type { Sequence } from "./sequence.ts";

export type StepInFlight =
  | { readonly kind: "prefill"; readonly sequence: Sequence; readonly past: number; readonly tokens: number; readonly samples: boolean }
  | { readonly kind: "replay"; readonly sequence: Sequence; readonly past: number; readonly tokens: number }
  | {
      readonly kind: "decode";
      readonly batch: MicroBatch;
      readonly firstSlot: number;
      /** Whose row is at the same index; undefined: an idle row. They may have left their slots since. */
      readonly sequences: readonly (Sequence | undefined)[];
      readonly rowsWanted: number;
    }
  | { readonly kind: "none" };

const isChunk = (step: StepInFlight) => step.kind === "prefill" || step.kind === "replay";

export class StepsInFlight {
  readonly #epoch: number;
  readonly #steps: StepInFlight[] = [];
  #oldestNumber = 0;
  #chunks = 0;

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  get count(): number {
    return this.#steps.length;
  }

  /** Runs over several tokens of one sequence. */
  get chunks(): number {
    return this.#chunks;
  }

  oldest(): StepInFlight | undefined {
    return this.#steps[0];
  }

  /** Sequences with a run that has not come back, and how many tokens each had cached before the oldest one. */
  runs(): ReadonlyMap<Sequence, number> {
    const runs = new Map<Sequence, number>();
    const add = (sequence: Sequence, past: number) => runs.has(sequence) || runs.set(sequence, past);
    for (const step of this.#steps) {
      if (isChunk(step)) add(step.sequence, step.past);
      if (step.kind !== "decode") continue;
      for (const sequence of step.sequences) if (sequence !== undefined) add(sequence, sequence.cached - 1);
    }
    return runs;
  }

  add(step: StepInFlight): Pick<StepResult, "epoch" | "step"> {
    if (isChunk(step)) this.#chunks += 1;
    this.#steps.push(step);
    return { epoch: this.#epoch, step: this.#oldestNumber + this.#steps.length - 1 };
  }

  /** @throws Error when the result is not that of the oldest step. */
  take(result: StepResult): StepInFlight {
    const step = this.#steps.shift();
    assert(
      step !== undefined && result.epoch === this.#epoch && result.step === this.#oldestNumber,
      `step ${this.#oldestNumber} of epoch ${this.#epoch} comes back next, not ${result.step} of ${result.epoch}`,
    );
    this.#oldestNumber += 1;
    if (isChunk(step)) this.#chunks -= 1;
    return step;
  }

  /** @throws Error when an invariant is broken. */
  check(batches: readonly MicroBatch[]): void {
    const seen = new Set<MicroBatch | Sequence>();
    let chunks = 0;
    for (const step of this.#steps) {
      if (isChunk(step)) chunks += 1;
      if (step.kind !== "decode") continue;
      assert(step.batch.inFlight && !seen.has(step.batch), "a micro-batch is under way once");
      seen.add(step.batch);
      for (const sequence of step.sequences) {
        if (sequence === undefined) continue;
        assert(!seen.has(sequence), "a sequence is in one decode step");
        seen.add(sequence);
      }
    }
    assert(chunks === this.#chunks, `${chunks} chunks are under way, ${this.#chunks} are counted`);
    for (const batch of batches) assert(batch.inFlight === seen.has(batch), "a micro-batch knows whether it is under way");
  }
}
