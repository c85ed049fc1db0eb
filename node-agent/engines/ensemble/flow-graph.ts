/** What of an ensemble must run to give the outputs that are wanted: steps that nobody needs are left out, as in Triton. Pure. */
import type { EnsemblePlan, PlannedStep } from "./ensemble-plan.ts";

export interface FlowGraph {
  readonly plan: EnsemblePlan;
  /** Places in the plan's outputs, in the order in which they are wanted. */
  readonly wanted: readonly number[];
  /** By step: the tensors that it takes, each once; undefined: it does not run. */
  readonly takes: readonly (readonly number[] | undefined)[];
  /** By step: names of the outputs that somebody takes. */
  readonly gives: readonly (readonly string[])[];
  /** By tensor: the steps that take it. */
  readonly takers: readonly (readonly number[])[];
  /** By tensor: how many take it, the request's answer included. */
  readonly uses: readonly number[];
}

/** @param outputs names; empty: all */
export function flowGraph(plan: EnsemblePlan, outputs: readonly string[]): FlowGraph {
  const wanted = outputs.length === 0 ? plan.outputs.map((_, place) => place) : outputs.map((name) => placeOf(plan, name));
  const needed = neededTensors(plan, wanted);
  const takes = plan.steps.map((step) => (isNeeded(step, needed) ? tensorsOf(step) : undefined));
  const takers = Array.from({ length: plan.tensors }, (): number[] => []);
  const uses = Array.from({ length: plan.tensors }, () => 0);
  for (const [step, tensors = []] of takes.entries()) {
    for (const tensor of tensors) {
      takers[tensor]?.push(step);
      uses[tensor] = (uses[tensor] ?? 0) + 1;
    }
  }
  for (const place of wanted) {
    const tensor = plan.outputs[place]?.tensor ?? 0;
    uses[tensor] = (uses[tensor] ?? 0) + 1;
  }
  const gives = plan.steps.map((step) => step.outputs.filter(({ tensor }) => (uses[tensor] ?? 0) > 0).map(({ name }) => name));
  return { plan, wanted, takes, gives, takers, uses };
}

const placeOf = ({ outputs }: EnsemblePlan, name: string): number => outputs.findIndex((output) => output.name === name);
const tensorsOf = ({ inputs }: PlannedStep): readonly number[] => [...new Set(inputs.map(({ tensor }) => tensor))];
const isNeeded = ({ outputs }: PlannedStep, needed: ReadonlySet<number>): boolean => outputs.some(({ tensor }) => needed.has(tensor));

/** Those that the wanted outputs depend on, themselves included: a tensor has one step that makes it. */
function neededTensors(plan: EnsemblePlan, wanted: readonly number[]): ReadonlySet<number> {
  const needed = new Set(wanted.flatMap((place) => plan.outputs[place]?.tensor ?? []));
  for (const tensor of needed) {
    const maker = plan.steps.find(({ outputs }) => outputs.some((output) => output.tensor === tensor));
    for (const input of maker === undefined ? [] : tensorsOf(maker)) needed.add(input); // a Set's loop goes on over what is added
  }
  return needed;
}
