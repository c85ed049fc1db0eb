/** The data flow of random ensembles, against a reference that computes the same from the outputs backwards. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Tensor } from "../../../../../core/tensor/tensor.ts";
import { DataFlow } from "../../../../../node-agent/engines/ensemble/data-flow.ts";
import type { EnsemblePlan, PlannedStep } from "../../../../../node-agent/engines/ensemble/ensemble-plan.ts";
import { flowGraph } from "../../../../../node-agent/engines/ensemble/flow-graph.ts";
import { ints, valuesOf } from "../batch/batch-world.ts";

const SEED = 20261124;
const INPUTS = 3;

/** A step's inputs are places among the tensors before it; of its two outputs it may leave the second out. */
const stepOf = fc.record({ inputs: fc.array(fc.nat(1_000), { minLength: 1, maxLength: 3 }), silent: fc.boolean() });
const ensembleOf = fc.record({
  steps: fc.array(stepOf, { minLength: 1, maxLength: 8 }),
  /** Which ensemble inputs are given; others are optional. */
  given: fc.array(fc.boolean(), { minLength: INPUTS, maxLength: INPUTS }),
  outputs: fc.uniqueArray(fc.nat(1_000), { minLength: 1, maxLength: 4 }),
  wanted: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  /** Which of the running steps ends next. */
  order: fc.array(fc.nat(20), { minLength: 8, maxLength: 8 }),
});
type Ensemble = typeof ensembleOf extends fc.Arbitrary<infer Value> ? Value : never;

const port = (name: string, tensor: number) => ({ name, tensor, dims: [1] });

/** Tensors: the ensemble's inputs, then two of each step. */
function planOf({ steps, outputs }: Ensemble): EnsemblePlan {
  const planned = steps.map(({ inputs }, index): PlannedStep => {
    const before = INPUTS + 2 * index;
    return {
      model: `m${index}`,
      version: undefined,
      near: 1,
      batches: false,
      inputs: inputs.map((place, number) => port(`x${number}`, place % before)),
      outputs: [port("a", before), port("b", before + 1)],
    };
  });
  const made = 2 * steps.length;
  return {
    name: "e",
    maxBatchSize: 0,
    tensors: INPUTS + made,
    inputs: Array.from({ length: INPUTS }, (_, input) => port(`in${input}`, input)),
    outputs: [...new Set(outputs.map((place) => INPUTS + (place % made)))].map((tensor) => port(`out${tensor}`, tensor)),
    steps: planned,
    maxInflight: 0,
  };
}

/** What step `index` makes of its inputs. */
const compute = (index: number, inputs: readonly number[]): number => inputs.reduce((sum, value) => (sum * 3 + value) % 10_007, index + 1);

/** By tensor, what it is in the end; undefined: there is none. */
function reference({ steps, given }: Ensemble, plan: EnsemblePlan): readonly (number | undefined)[] {
  const values: (number | undefined)[] = given.map((is, input) => (is ? input + 1 : undefined));
  for (const [index, { inputs }] of plan.steps.entries()) {
    const made = compute(
      index,
      inputs.flatMap(({ tensor }) => values[tensor] ?? []),
    );
    values.push(made, steps[index]?.silent === true ? undefined : made + 1);
  }
  return values;
}

function neededSteps(plan: EnsemblePlan, wanted: readonly string[]): ReadonlySet<number> {
  const needed = new Set<number>();
  const need = (tensor: number) => {
    if (tensor < INPUTS) return;
    const step = Math.floor((tensor - INPUTS) / 2);
    if (needed.has(step)) return;
    needed.add(step);
    for (const input of plan.steps[step]?.inputs ?? []) need(input.tensor);
  };
  for (const output of plan.outputs) if (wanted.length === 0 || wanted.includes(output.name)) need(output.tensor);
  return needed;
}

test("the outputs are those of the reference, whatever ends first; every needed step runs once, as soon as it can, and no other", () => {
  fc.assert(
    fc.property(ensembleOf, (ensemble) => {
      const plan = planOf(ensemble);
      const names = plan.outputs.map(({ name }) => name).filter((_, place) => ensemble.wanted[place] === true);
      const values = reference(ensemble, plan);
      const needed = neededSteps(plan, names);
      const flow = new DataFlow(flowGraph(plan, names));
      const settled = new Set(plan.inputs.map(({ tensor }) => tensor));
      const begun = new Set<number>();
      const running: { readonly step: number; readonly outputs: readonly Tensor[] }[] = [];
      const begin = (steps: readonly number[]) => {
        for (const step of steps) {
          expect(begun.has(step)).toBe(false);
          begun.add(step);
          const made = compute(
            step,
            flow.take(step).flatMap((input) => [...valuesOf(input)]),
          );
          const silent = ensemble.steps[step]?.silent === true;
          running.push({ step, outputs: [ints("a", [1], [made]), ...(silent ? [] : [ints("b", [1], [made + 1])])] });
        }
        const able = [...needed].filter((step) => plan.steps[step]?.inputs.every(({ tensor }) => settled.has(tensor)));
        expect([...begun].sort()).toEqual(able.sort());
      };
      const inputs = plan.inputs.flatMap(({ name }, place) => (ensemble.given[place] === true ? [ints(name, [1], [place + 1])] : []));
      begin(flow.begin(inputs, 0));
      for (let turn = 0; running.length > 0; turn++) {
        expect(flow.complete).toBe(false);
        const [ended] = running.splice((ensemble.order[turn] ?? 0) % running.length, 1);
        if (ended === undefined) break;
        for (const { tensor } of plan.steps[ended.step]?.outputs ?? []) settled.add(tensor);
        begin(flow.completed(ended.step, ended.outputs));
      }
      expect(flow.complete).toBe(true);
      expect(begun).toEqual(needed);
      const wanted = names.length === 0 ? plan.outputs : plan.outputs.filter(({ name }) => names.includes(name));
      const expected = wanted.flatMap(({ name, tensor }) => (values[tensor] === undefined ? [] : [[name, values[tensor]]]));
      expect(flow.outputs().map((tensor) => [tensor.name, valuesOf(tensor)[0]])).toEqual(expected);
    }),
    { seed: SEED, numRuns: 500 },
  );
});
