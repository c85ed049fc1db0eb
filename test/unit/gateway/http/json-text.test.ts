/** JSON from outside: its depth, and what is wrong with it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonDepth, parseJsonText } from "../../../../gateway/http/json-text.ts";

const SEED = 20_260_801;

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe("depth before parsing", () => {
  test("is the depth of the value that comes out, whatever its strings hold", () => {
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("[[[", '"{', "\\", '\\"[', "]}"));
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 5 }, text, fc.double({ noNaN: true }), fc.array(tie("value")), fc.dictionary(text, tie("value"))),
    }));
    fc.assert(
      fc.property(value, (made) => {
        const bytes = Buffer.from(JSON.stringify(made));
        expect(jsonDepth(bytes, 1_000)).toBe(depthOf(JSON.parse(bytes.toString())));
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("stops counting as soon as it is too deep", () => {
    expect(jsonDepth(Buffer.from("[".repeat(1_000_000)), 100)).toBe(101);
  });

  test("at the limit is fine, one more is not", () => {
    const nested = (depth: number) => Buffer.from("[".repeat(depth) + "]".repeat(depth));
    expect(parseJsonText(nested(100))).toBeInstanceOf(Array);
    expect(() => parseJsonText(nested(101))).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", reason: "json_too_deep" }));
  });
});

test.each([
  ["", 0],
  ["{", 1],
  ['{"a":1,}', 7],
  ["[1 2]", 3],
  ["nul", 3],
])("%j is malformed, and the error says where", (text, position) => {
  const message = `the body is not valid JSON: error at position ${position}`;
  expect(() => parseJsonText(Buffer.from(text))).toThrow(expect.objectContaining({ reason: "malformed_json", message }));
});

test("bytes that are no UTF-8 are malformed", () => {
  expect(() => parseJsonText(Uint8Array.of(0x22, 0xc3, 0x28, 0x22))).toThrow(expect.objectContaining({ reason: "malformed_json" }));
});
