/** Numbers out of JSON's text, against the runtime's own reading. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { NumberReader } from "../../../../../gateway/kserve/json/number-reader.ts";

const reader = new NumberReader();

test("every double's text is read back as that double", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      const text = `[${value},`;
      const read = reader.read(text, 1);
      expect([read + 0, reader.end]).toEqual([value + 0, text.length - 1]);
    }),
    { seed: 12, numRuns: 2_000 },
  );
});

test("every decimal is the nearest double", () => {
  const digits = fc.stringMatching(/^(0|[1-9]\d{0,18})(\.\d{1,20})?(e[+-]?\d{1,2})?$/);
  fc.assert(
    fc.property(digits, (text) => {
      expect(reader.read(text, 0)).toBe(Number(text));
      expect(reader.end).toBe(text.length);
    }),
    { seed: 13, numRuns: 2_000 },
  );
});

test.each([
  ["999999999999999", true, true],
  ["9999999999999999", true, false],
  ["000", true, true],
  ["1.5", false, false],
  ["1e2", false, false],
])("%s says whether it is an integer, and whether all its digits are there", (text, integer, exact) => {
  reader.read(text, 0);
  expect([reader.integer, reader.exact]).toEqual([integer, exact]);
});

test("a sign on a zero without a fraction is none", () => {
  expect([reader.read("-0", 0), reader.read("-0.0", 0)]).toEqual([0, -0]);
});
