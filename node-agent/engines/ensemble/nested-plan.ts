/**
 * An ensemble with models that answer any number of times: what comes after such a step runs once for each of its answers, so it is an
 * ensemble of its own inside, whose inputs are that answer's outputs. That a step reads from one such model at most has been checked
 * (`core/model/config/ensemble-models.ts`). Pure.
 */
import type { EnsemblePlan, PlannedStep, StepOutput } from "./ensemble-plan.ts";

/** The same plan where every model answers once. */
export function nestedPlan(plan: EnsemblePlan): EnsemblePlan {
  if (plan.steps.every(({ decoupled }) => decoupled !== true)) return plan;
  const steps = plan.steps.map((step, place): PlannedStep => ({ ...step, place }));
  return planFrom(plan.inputs, { ...plan, steps });
}

/** What can be reached from these tensors without another decoupled step between. */
function planFrom(inputs: readonly StepOutput[], whole: EnsemblePlan): EnsemblePlan {
  const here = new Set(inputs.map(({ tensor }) => tensor));
  const steps: PlannedStep[] = [];
  const left = new Set(whole.steps);
  for (let isMoving = true; isMoving; ) {
    isMoving = false;
    for (const step of left) {
      if (!step.inputs.every(({ tensor }) => here.has(tensor))) continue;
      left.delete(step);
      isMoving = true;
      if (step.decoupled === true) steps.push({ ...step, outputs: [], inner: planFrom(step.outputs, whole) });
      else {
        steps.push(step);
        for (const { tensor } of step.outputs) here.add(tensor);
      }
    }
  }
  return { ...whole, inputs, steps, outputs: whole.outputs.filter(({ tensor }) => here.has(tensor)) };
}
