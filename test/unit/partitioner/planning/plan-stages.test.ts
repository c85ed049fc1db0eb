/** Splits against every other split there is. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planStages, type StageCosts, type StageRange } from "../../../../partitioner/planning/plan-stages.ts";

/** All ways to split `layers` into `stages` runs of at least one. */
function* allSplits(layers: number, stages: number, firstLayer = 0): Iterable<readonly StageRange[]> {
  if (stages === 1) yield [{ firstLayer, endLayer: layers }];
  for (let endLayer = firstLayer + 1; stages > 1 && endLayer <= layers - stages + 1; endLayer++) {
    for (const rest of allSplits(layers, stages - 1, endLayer)) yield [{ firstLayer, endLayer }, ...rest];
  }
}

function stageCosts(costs: StageCosts, plan: readonly StageRange[]): readonly number[] {
  return plan.map(({ firstLayer, endLayer }) => {
    const layers = costs.layers.slice(firstLayer, endLayer).reduce((a, b) => a + b, 0);
    return endLayer === costs.layers.length ? layers + costs.head : layers;
  });
}

const dearest = (costs: readonly number[]) => Math.max(...costs);
const squares = (costs: readonly number[]) => costs.reduce((sum, cost) => sum + cost ** 2, 0);

describe("planned stages", () => {
  test("no other split has a cheaper dearest stage, nor as cheap a one and more evenness", () => {
    const models = fc.record({
      layers: fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 9 }),
      head: fc.integer({ min: 0, max: 200 }),
    });
    const cases = models.chain((costs) => fc.tuple(fc.constant(costs), fc.integer({ min: 1, max: costs.layers.length })));
    fc.assert(
      fc.property(cases, ([costs, stages]) => {
        const planned = stageCosts(costs, planStages(costs, stages));
        for (const other of allSplits(costs.layers.length, stages)) {
          const alternative = stageCosts(costs, other);
          expect(dearest(planned)).toBeLessThanOrEqual(dearest(alternative));
          if (dearest(planned) === dearest(alternative)) expect(squares(planned)).toBeLessThanOrEqual(squares(alternative));
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("stages follow one another, cover all layers and have at least one each", () => {
    for (let stages = 1; stages <= 126; stages++) {
      const plan = planStages({ layers: new Array<number>(126).fill(3), head: 40 }, stages);
      expect(plan).toHaveLength(stages);
      expect(plan[0]?.firstLayer).toBe(0);
      expect(plan.at(-1)?.endLayer).toBe(126);
      for (const [index, { firstLayer, endLayer }] of plan.entries()) {
        expect(endLayer).toBeGreaterThan(firstLayer);
        if (index > 0) expect(firstLayer).toBe(plan[index - 1]?.endLayer);
      }
    }
  });

  test("the head counts as the layers that it is worth", () => {
    const plan = planStages({ layers: new Array<number>(30).fill(1), head: 10 }, 2);
    expect(plan).toEqual([
      { firstLayer: 0, endLayer: 20 },
      { firstLayer: 20, endLayer: 30 },
    ]);
  });

  test.each([0, 4, -1, 1.5])("%d stages of three layers are refused", (stages) => {
    expect(() => planStages({ layers: [1, 1, 1], head: 1 }, stages)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
