/** How many tokens each slot of a shard holds, so that a run over positions that nobody filled is refused instead of computed. Pure. */
import { ServingError } from "../errors.ts";
import type { Step } from "./step.ts";

/** Follows the steps of one epoch; made anew for each. */
export class SlotLedger {
  readonly #held: Int32Array;

  constructor(slots: number) {
    this.#held = new Int32Array(slots);
  }

  held(slot: number): number {
    return this.#held[slot] ?? 0;
  }

  /**
   * Does a checked step's bookkeeping in the order of its fields. A run may begin before a slot's end and then replaces what
   * followed (idle rows and dummies are written over); it may not begin after it.
   * @throws ServingError FAILED_PRECONDITION when a copy or a run needs tokens that its slot does not hold.
   */
  apply(step: Step): void {
    for (const slot of step.releases) this.#held[slot] = 0;
    for (const copy of step.copies) {
      if (copy.tokens > this.held(copy.from)) this.#refuse(copy.from, copy.tokens);
      this.#held[copy.to] = copy.tokens;
    }
    const run = step.run;
    if (run.kind === "prefill" || run.kind === "replay") this.#extend(run.slot, run.past, run.tokens.length);
    if (run.kind === "decode") for (const [index, row] of run.rows.entries()) this.#extend(run.firstSlot + index, row.past, 1);
  }

  #extend(slot: number, past: number, count: number): void {
    if (past > this.held(slot)) this.#refuse(slot, past);
    this.#held[slot] = past + count;
  }

  #refuse(slot: number, needed: number): never {
    throw new ServingError("FAILED_PRECONDITION", `slot ${slot} holds ${this.held(slot)} tokens, the step needs ${needed}`, {
      reason: "bad_step",
    });
  }
}
