/** Labels of nodes as people write them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { hasLabels, labelsText, parseLabels } from "../../../core/node-labels.ts";

const characters = [..."abzAZ09._-/"];
const word = fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength: 64 });
const labels = fc
  .uniqueArray(fc.tuple(word, word), { minLength: 1, maxLength: 32, selector: ([name]) => name })
  .map((pairs) => Object.fromEntries(pairs));

test("labels are read as they are written", () => {
  expect(parseLabels("zone=a, disk=ssd")).toEqual({ zone: "a", disk: "ssd" });
  fc.assert(
    fc.property(labels, (some) => {
      expect(parseLabels(labelsText(some))).toEqual(some);
    }),
    { seed: 5, numRuns: 200 },
  );
});

test.each([
  "",
  "zone",
  "zone=",
  "=a",
  "zone=a,",
  "zone=a=b",
  "zone=a b",
  "zonë=a",
  "zone=a\nb",
  "zone=a,zone=b",
  `${"n".repeat(65)}=a`,
  `zone=${"v".repeat(65)}`,
  Array.from({ length: 33 }, (_, index) => `n${index}=v`).join(","),
])("%j is refused", (text) => {
  expect(parseLabels(text)).toBeUndefined();
});

test("a node has what is asked for when each name has that value", () => {
  const there = { zone: "a", disk: "ssd" };
  expect(hasLabels(there, { disk: "ssd" })).toBe(true);
  expect(hasLabels(there, { disk: "ssd", zone: "b" })).toBe(false);
  expect(hasLabels(undefined, { zone: "a" })).toBe(false);
  expect(hasLabels(undefined, undefined)).toBe(true);
  expect(hasLabels({}, { constructor: "a" })).toBe(false);
});
