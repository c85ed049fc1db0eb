/** Configurations that somebody has damaged: they are read or refused, and never break what reads them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { systemClock } from "../../../../../core/clock.ts";
import { ServingError } from "../../../../../core/errors.ts";
import { damaged } from "../../../../support/hostile-json.ts";
import { EVERYTHING } from "./everything.ts";
import { judge } from "./judge.ts";

const RUNS = { seed: 20_260_301, numRuns: 100 };
const WORDS = [...new Set(EVERYTHING.match(/[\w.:-]+|"[^"]*"|[{}[\],:]/g))];
const HOSTILE = ["18446744073709551616", "-9223372036854775809", "1e999", "nan", "{", "}", "[", "]", '"', "\u0000", "#", "<", ">"];

const HANG_MS = 100;

function judged(text: string): void {
  const startMs = systemClock.now();
  try {
    for (const message of judge(text).messages) expect(message).toMatch(/\S/);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ServingError);
  }
  expect(systemClock.now() - startMs).toBeLessThan(HANG_MS);
}

test("with bytes changed, cut out or doubled", () => {
  fc.assert(
    fc.property(damaged(EVERYTHING), (bytes) => judged(new TextDecoder().decode(bytes))),
    RUNS,
  );
});

test("made of the right words in any order", () => {
  const word = fc.constantFrom(...WORDS, ...HOSTILE);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 60 }), (words) => judged(words.join(" "))),
    RUNS,
  );
});

test.each([
  ["a billion instances", "instance_group { count: 1000000000 }"],
  ["dimensions beyond 64 bits together", "input { name: 'A' data_type: TYPE_FP32 dims: [ 4611686018427387904, 4 ] }"],
  ["a batch beyond memory", "max_batch_size: 2147483647"],
  ["groups in groups in groups", "optimization { ".repeat(100_000)],
  ["a text without end", `name: "${"x".repeat(100_000)}`],
])("with %s", (_, text) => judged(text));
