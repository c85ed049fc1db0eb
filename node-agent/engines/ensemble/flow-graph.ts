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
  /** By step: what of its `inner` must run; undefined: it has none, or nothing of it is needed. */
  readonly inner: readonly (FlowGraph | undefined)[];
}

/** @param outputs names; empty: all */
export function flowGraph(plan: EnsemblePlan, outputs: readonly string[]): FlowGraph {
  return graphOf(plan, outputs.length === 0 ? undefined : outputs);
}

/** @param names undefined: all; some may be outputs of other plans in this one's ensemble */
function graphOf(plan: EnsemblePlan, names: readonly string[] | undefined): FlowGraph {
  const wanted = names?.map((name) => placeOf(plan, name)).filter((place) => place !== -1) ?? plan.outputs.map((_, place) => place);
  const inner = plan.steps.map((step) => neededGraph(step, names));
  const starts = plan.steps.filter((_, step) => inner[step] !== undefined);
  const needed = neededTensors(plan, wanted, starts);
  const takes = plan.steps.map((step) => (starts.includes(step) || isNeeded(step, needed) ? tensorsOf(step) : undefined));
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
  const gives = plan.steps.map((step, place) => {
    const [outputs, used] = step.inner === undefined ? [step.outputs, uses] : [step.inner.inputs, inner[place]?.uses ?? []];
    return outputs.filter(({ tensor }) => (used[tensor] ?? 0) > 0).map(({ name }) => name);
  });
  return { plan, wanted, takes, gives, takers, uses, inner };
}

function neededGraph({ inner }: PlannedStep, names: readonly string[] | undefined): FlowGraph | undefined {
  const graph = inner && graphOf(inner, names);
  return graph !== undefined && (graph.wanted.length > 0 || graph.inner.some((one) => one !== undefined)) ? graph : undefined;
}

const placeOf = ({ outputs }: EnsemblePlan, name: string): number => outputs.findIndex((output) => output.name === name);
const tensorsOf = ({ inputs }: PlannedStep): readonly number[] => [...new Set(inputs.map(({ tensor }) => tensor))];
const isNeeded = ({ outputs }: PlannedStep, needed: ReadonlySet<number>): boolean => outputs.some(({ tensor }) => needed.has(tensor));

/** Those that the wanted outputs and these steps depend on, wanted outputs included: a tensor has one step that makes it. */
function neededTensors(plan: EnsemblePlan, wanted: readonly number[], starts: readonly PlannedStep[]): ReadonlySet<number> {
  const needed = new Set([...wanted.flatMap((place) => plan.outputs[place]?.tensor ?? []), ...starts.flatMap(tensorsOf)]);
  for (const tensor of needed) {
    const maker = plan.steps.find(({ outputs }) => outputs.some((output) => output.tensor === tensor));
    for (const input of maker === undefined ? [] : tensorsOf(maker)) needed.add(input); // a Set's loop goes on over what is added
  }
  return needed;
}
