/** When a generation got its first slot; and for those that are traced, what its steps cost in each stage. Pure. */
import type { Sequence } from "./sequence.ts";
import type { StepInFlight } from "./steps-in-flight.ts";

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
  /** The last of them: it counts once, for however many rows. */
  last: StepInFlight | undefined;
}

export const createTiming = (costs?: StepCosts): GenerationTiming => ({ admittedMs: undefined, costs });

export const createCosts = (): StepCosts => ({ steps: 0, stageUs: [], last: undefined });

export function noteAdmission({ generation: { offer } }: Sequence, nowMs: number): void {
  if (offer.timing !== undefined) offer.timing.admittedMs ??= nowMs;
}

/** Once for each generation with a part of the step. */
export function noteStep(step: StepInFlight, stageUs: readonly number[]): void {
  if (step.kind === "prefill" || step.kind === "replay") note(step, step.sequence, stageUs);
  if (step.kind === "decode") for (const sequence of step.sequences) note(step, sequence, stageUs);
}

function note(step: StepInFlight, sequence: Sequence | undefined, stageUs: readonly number[]): void {
  const costs = sequence?.generation.offer.timing?.costs;
  if (costs === undefined || costs.last === step) return;
  costs.last = step;
  costs.steps += 1;
  for (const [stage, us] of stageUs.entries()) costs.stageUs[stage] = (costs.stageUs[stage] ?? 0) + us;
}
