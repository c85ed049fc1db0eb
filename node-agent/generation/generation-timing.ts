/** When a generation got its first slot, and what its steps cost in each stage: kept for those that are traced. Pure. */
import type { Sequence } from "./sequence.ts";
import type { StepInFlight } from "./steps-in-flight.ts";

export interface GenerationTiming {
  /** On the scheduler's clock; undefined: it waits. */
  admittedMs: number | undefined;
  /** Steps with a part of it that have come back. */
  steps: number;
  /** Microseconds that each stage has spent in those steps, whoever shared them. */
  readonly stageUs: number[];
}

export const createTiming = (): GenerationTiming => ({ admittedMs: undefined, steps: 0, stageUs: [] });

export function noteAdmission({ generation: { offer } }: Sequence, nowMs: number): void {
  if (offer.timing !== undefined) offer.timing.admittedMs ??= nowMs;
}

/** Once for each generation with a part of the step. */
export function noteStep(step: StepInFlight, stageUs: readonly number[]): void {
  if (step.kind === "prefill" || step.kind === "replay") add(step.sequence.generation.offer.timing, stageUs);
  if (step.kind !== "decode") return;
  for (const [row, sequence] of step.sequences.entries()) {
    const timing = sequence?.generation.offer.timing;
    if (timing === undefined) continue;
    const firstRow = step.sequences.findIndex((one) => one?.generation.offer.timing === timing);
    if (firstRow === row) add(timing, stageUs);
  }
}

function add(timing: GenerationTiming | undefined, stageUs: readonly number[]): void {
  if (timing === undefined) return;
  timing.steps += 1;
  for (const [stage, us] of stageUs.entries()) timing.stageUs[stage] = (timing.stageUs[stage] ?? 0) + us;
}
