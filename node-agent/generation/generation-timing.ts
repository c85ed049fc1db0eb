/** When a generation got its first slot; and for those that are traced, what its steps cost in each stage. Pure. */

export interface GenerationTiming {
  /** On the scheduler's clock; undefined: it waits. */
  admittedMs: number | undefined;
  /** undefined: nobody asks. */
  readonly costs: StepCosts | undefined;
}

export interface StepCosts {
  /** Steps with a part of it that have come back. */
  steps: number;
  /** Microseconds that each stage has spent in those steps, whoever shared them. */
  readonly stageUs: number[];
  /** The last of them, whatever it was: it counts once, for however many rows. */
  last: object | undefined;
}

export const createTiming = (costs?: StepCosts): GenerationTiming => ({ admittedMs: undefined, costs });

export const createCosts = (): StepCosts => ({ steps: 0, stageUs: [], last: undefined });
