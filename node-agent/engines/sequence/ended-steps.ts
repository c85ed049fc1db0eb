/** Last answers of sequences that have just ended, for those who ask again because the answer was lost on its way. Pure. */
import type { AppliedStep } from "./applied-steps.ts";

interface Ended {
  readonly step: AppliedStep;
  readonly endedMs: number;
}

const COUNT_MAX = 256;
const AGE_MS_MAX = 10_000;

export class EndedSteps {
  /** The oldest first. */
  readonly #steps = new Map<string, Ended>();

  add(key: string, step: AppliedStep, nowMs: number): void {
    this.#steps.delete(key);
    this.#steps.set(key, { step, endedMs: nowMs });
    for (const [other, { endedMs }] of this.#steps) {
      if (this.#steps.size <= COUNT_MAX && nowMs - endedMs < AGE_MS_MAX) break;
      this.#steps.delete(other);
    }
  }

  find(key: string, token: string): AppliedStep | undefined {
    const ended = this.#steps.get(key);
    return ended?.step.token === token ? ended.step : undefined;
  }
}
