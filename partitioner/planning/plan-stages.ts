/** Splits a model's layers into stages of about equal cost. Pure. */
import { ServingError } from "../../core/errors.ts";

/** Any unit, the same for all. */
export interface StageCosts {
  /** One a layer. */
  readonly layers: readonly number[];
  /** Of the head, which the last stage runs. */
  readonly head: number;
}

/** Layers [firstLayer, endLayer). */
export interface StageRange {
  readonly firstLayer: number;
  readonly endLayer: number;
}

/**
 * The split whose dearest stage is cheapest; among those the most even one (least sum of squares): a pipeline runs at the pace of its
 * dearest stage. The same arguments give the same plan everywhere, so that nodes need not tell one another.
 *
 * @throws ServingError INVALID_ARGUMENT when there are more stages than layers, or none
 */
export function planStages(costs: StageCosts, stages: number): readonly StageRange[] {
  const layers = costs.layers.length;
  if (!Number.isInteger(stages) || stages < 1 || stages > layers) {
    throw new ServingError("INVALID_ARGUMENT", `cannot split ${layers} layers into ${stages} stages: 1 to ${layers} are possible`);
  }
  const sums = [0];
  for (const cost of costs.layers) sums.push((sums.at(-1) ?? 0) + cost);
  const cost: RangeCost = (first, end) => (sums[end] ?? 0) - (sums[first] ?? 0) + (end === layers ? costs.head : 0);
  const dearest = bestSplit({ layers, stages, cost, join: Math.max, weigh: (value) => value }).total;
  const even = bestSplit({ layers, stages, cost, join: (a, b) => a + b, weigh: (value) => (value <= dearest ? value ** 2 : Infinity) });
  return even.ranges;
}

type RangeCost = (firstLayer: number, endLayer: number) => number;

/** Dynamic programming over (stages, layers): the first `end` layers in `count` stages, joined from the best of all last stages. */
function bestSplit(problem: {
  layers: number;
  stages: number;
  cost: RangeCost;
  join: (one: number, other: number) => number;
  weigh: (cost: number) => number;
}): { readonly total: number; readonly ranges: readonly StageRange[] } {
  const { layers, stages, cost, join, weigh } = problem;
  let totals = Array.from({ length: layers + 1 }, (_, end) => (end === 0 ? 0 : Infinity));
  const firsts: number[][] = [];
  for (let count = 1; count <= stages; count++) {
    const next = new Array<number>(layers + 1).fill(Infinity);
    const firstOf = new Array<number>(layers + 1).fill(count - 1);
    for (let end = count; end <= layers - (stages - count); end++) {
      for (let first = count - 1; first < end; first++) {
        const total = join(totals[first] ?? Infinity, weigh(cost(first, end)));
        if (total < (next[end] ?? Infinity)) {
          next[end] = total;
          firstOf[end] = first;
        }
      }
    }
    totals = next;
    firsts.push(firstOf);
  }
  const ranges: StageRange[] = [];
  for (let count = stages, endLayer = layers; count > 0; count--) {
    const firstLayer = firsts[count - 1]?.[endLayer] ?? 0;
    ranges.unshift({ firstLayer, endLayer });
    endLayer = firstLayer;
  }
  return { total: totals[layers] ?? Infinity, ranges };
}
