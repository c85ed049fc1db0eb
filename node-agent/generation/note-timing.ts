/** Writes into the timing of generations when they were admitted, and what the steps cost that have come back. Pure. */
import type { Sequence } from "./sequence.ts";
import type { StepInFlight } from "./steps-in-flight.ts";

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
