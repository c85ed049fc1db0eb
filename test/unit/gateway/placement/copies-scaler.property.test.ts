/** Copies follow the queue: within their limits, one at a time, up soon and down late, and not to and fro. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  CopiesScaler,
  LATE_FOR_MS,
  LATE_MS,
  PAUSE_MS,
  type ScaledModel,
  SPARE_FOR_MS,
} from "../../../../gateway/placement/copies-scaler.ts";

const RUNS = { seed: 31, numRuns: 200 };
const SECOND = 1_000;

/** A model that needs so many copies to keep up; what it has shares the work. */
class Load {
  readonly #scaler = new CopiesScaler();
  #nowMs = 0;
  copies: number;
  readonly limits: { readonly copiesMin: number; readonly copiesMax: number };
  /** How many copies would be just full. */
  need: number;
  /** Wanted copies that are not ready yet. */
  onTheWay = 0;

  constructor(limits: { readonly copiesMin: number; readonly copiesMax: number }, need: number) {
    this.limits = limits;
    this.copies = limits.copiesMin;
    this.need = need;
  }

  get model(): ScaledModel {
    const one = { queuedMs: this.need > this.copies ? 2 * LATE_MS : 0, full: Math.min(1, this.need / this.copies) };
    return { model: "m", copies: this.copies, ...this.limits, ready: Array.from({ length: this.copies - this.onTheWay }, () => one) };
  }

  /** @returns how often the number changed */
  pass(seconds: number): number {
    let changes = 0;
    for (let second = 0; second < seconds; second++) {
      this.#nowMs += SECOND;
      for (const { copies, before } of this.#scaler.decide([this.model], this.#nowMs)) {
        expect(before).toBe(this.copies);
        expect(Math.abs(copies - before)).toBe(1);
        this.copies = copies;
        changes += 1;
      }
    }
    return changes;
  }
}

const limits = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 6 }))
  .map(([min, more]) => ({ copiesMin: min, copiesMax: min + more }));
const need = fc.integer({ min: 0, max: 120 }).map((tenths) => tenths / 10);

describe("the number of copies", () => {
  test("under a steady load is soon enough for it, within the limits, and then stays", () => {
    fc.assert(
      fc.property(limits, need, (range, steady) => {
        const load = new Load(range, steady);
        load.pass(600);
        expect(load.copies).toBeGreaterThanOrEqual(Math.min(range.copiesMax, Math.ceil(steady)));
        expect(load.copies).toBeLessThanOrEqual(range.copiesMax);
        expect(load.pass(600)).toBe(0);
      }),
      RUNS,
    );
  });

  test("comes down again when the load is over, and not below the fewest", () => {
    fc.assert(
      fc.property(limits, need, (range, steady) => {
        const load = new Load(range, steady);
        load.pass(300);
        load.need = 0;
        load.pass((SPARE_FOR_MS / SECOND + PAUSE_MS / SECOND + 2) * 7);
        expect(load.copies).toBe(range.copiesMin);
      }),
      RUNS,
    );
  });

  test("stays within its limits and changes at most once in ten seconds, whatever the load does", () => {
    fc.assert(
      fc.property(limits, fc.array(fc.tuple(need, fc.integer({ min: 1, max: 90 })), { maxLength: 20 }), (range, waves) => {
        const load = new Load(range, 0);
        for (const [height, seconds] of waves) {
          load.need = height;
          const changes = load.pass(seconds);
          expect(changes).toBeLessThanOrEqual(1 + seconds / (PAUSE_MS / SECOND));
          expect(load.copies).toBeGreaterThanOrEqual(range.copiesMin);
          expect(load.copies).toBeLessThanOrEqual(range.copiesMax);
        }
      }),
      RUNS,
    );
  });

  test("does not follow waves that are shorter than a minute down, nor a moment's queue up", () => {
    const load = new Load({ copiesMin: 1, copiesMax: 8 }, 3);
    load.pass(120);
    expect(load.copies).toBe(3);
    for (let wave = 0; wave < 20; wave++) {
      load.need = 0;
      expect(load.pass(SPARE_FOR_MS / SECOND - 1)).toBe(0);
      load.need = 9;
      expect(load.pass(LATE_FOR_MS / SECOND - 1)).toBe(0);
      load.need = 2.5;
      expect(load.pass(1)).toBe(0);
    }
  });

  test("waits for a copy that is on its way before another one is wanted", () => {
    const load = new Load({ copiesMin: 2, copiesMax: 8 }, 8);
    load.onTheWay = 1;
    expect(load.pass(600)).toBe(0);
    load.onTheWay = 0;
    expect(load.pass(LATE_FOR_MS / SECOND + 1)).toBe(1);
  });
});
