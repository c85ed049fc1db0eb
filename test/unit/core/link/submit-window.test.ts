/** Late copies and overtaking cancels of submits. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SubmitWindow } from "../../../../core/link/submit-window.ts";

test("a number is accepted once, however often and in whatever order it comes", () => {
  const window = new SubmitWindow();
  expect([3, 1, 3, 2, 1, 0, 0].map((number) => window.accept(number))).toEqual([true, true, false, true, false, true, false]);
});

test("a canceled number counts as seen, so its cancel may overtake it", () => {
  const window = new SubmitWindow();
  window.cancel(5);
  expect(window.accept(5)).toBe(false);
  expect(window.accept(4)).toBe(true);
});

test("numbers further back than the window count as seen, those within it are still exact", () => {
  const window = new SubmitWindow();
  window.accept(1);
  window.accept(70_000);
  expect(window.accept(2)).toBe(false);
  expect(window.accept(70_000 - 65_535)).toBe(true);
  expect(window.accept(10_000_000)).toBe(true);
  expect(window.accept(10_000_000 - 1)).toBe(true);
});

test("within the window it agrees with a set of all numbers seen", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 60_000 }), fc.boolean()), { maxLength: 200 }), (steps) => {
      const window = new SubmitWindow();
      const seen = new Set<number>();
      for (const [number, cancels] of steps) {
        if (cancels) window.cancel(number);
        else expect(window.accept(number)).toBe(!seen.has(number));
        seen.add(number);
      }
    }),
    { seed: 20260101 },
  );
});
