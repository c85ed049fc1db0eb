/** JSON as RapidJSON reads it: what it accepts beyond JSON, what it keeps, and how it names what is wrong. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ScanOptions, scanJson } from "../../../../../gateway/kserve/json/json-scanner.ts";
import { bytesAsText, JsonObject, JsonReal, JsonSpan, type JsonValue } from "../../../../../gateway/kserve/json/json-value.ts";

function scan(text: string, options: ScanOptions = {}): JsonValue {
  return scanJson(bytesAsText(Buffer.from(text)), options);
}

/** As JSON.parse would have it. */
function plain(value: JsonValue): unknown {
  if (value instanceof JsonReal) return value.value;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof JsonObject) return Object.fromEntries(value.names.map((name, index) => [name, plain(value.values[index] ?? null)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

describe("well-formed JSON", () => {
  test("is read as JSON.parse reads it", () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false, maxDepth: 5 }), (text) => {
        expect(JSON.stringify(plain(scan(text)))).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { seed: 11, numRuns: 500 },
    );
  });

  test.each([
    ["0", 0],
    ["-0", 0],
    ["9007199254740993", 9007199254740993n],
    ["18446744073709551615", 2n ** 64n - 1n],
    ["-9223372036854775808", -(2n ** 63n)],
    ["18446744073709551616", new JsonReal(2 ** 64)],
    ["1.0", new JsonReal(1)],
    ["-0.0", new JsonReal(-0)],
    ["1e2", new JsonReal(100)],
    ["NaN", new JsonReal(Number.NaN)],
    [
      "[Infinity, -Inf, Inf]",
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY].map((value) => new JsonReal(value)),
    ],
    [' "\\u00fc\\ud83c\\udf0a ü 🌊 \\u0000" ', "ü🌊 ü 🌊 \0"],
  ])("%s keeps its kind and all its digits", (text, expected) => {
    expect(scan(text)).toEqual(expected);
  });

  test("two members of one name are both kept, and the first is found", () => {
    const object = scan('{"a":1,"a":2}');
    expect(object).toMatchObject({ names: ["a", "a"], values: [1, 2] });
    expect(object instanceof JsonObject && object.get("a")).toBe(1);
  });

  test("arrays that the caller reads himself are checked and left", () => {
    const text = '{"data": [[1, {"x": []}], "]", -2.5], "other": [1]}';
    expect(scan(text, { spansOf: "data" })).toMatchObject({ values: [new JsonSpan(9, 36), [1]] });
    expect(scan('{"a": 5, "b": {"c": "d"}}', { allSpans: true })).toMatchObject({
      values: [new JsonSpan(6, 7), { values: [new JsonSpan(20, 23)] }],
    });
  });

  test("tensor data may be nested without end, objects may not", () => {
    const deep = 200_000;
    expect(scan(`{"data":${"[".repeat(deep)}${"]".repeat(deep)}}`, { spansOf: "data" })).toBeInstanceOf(JsonObject);
    expect(() => scan(`${"[".repeat(1_001)}${"]".repeat(1_001)}`)).toThrow("JSON nesting depth exceeds maximum allowed limit");
  });
});

test.each([
  ["", "The document is empty. at 0"],
  ["  ", "The document is empty. at 2"],
  ["{", "Missing a name for object member. at 1"],
  ['{"a":1,}', "Missing a name for object member. at 7"],
  ['{"a" 1}', "Missing a colon after a name of object member. at 5"],
  ['{"a":1 2}', "Missing a comma or } after an object member. at 7"],
  ["[1 2]", "Missing a comma or ] after an array element. at 3"],
  ["[1", "Missing a comma or ] after an array element. at 2"],
  ['{"inputs":[', "Invalid value. at 11"],
  ["[1,]", "Invalid value. at 3"],
  ["tru", "Invalid value. at 3"],
  ["nope", "Invalid value. at 1"],
  ["-", "Invalid value. at 1"],
  ["1.", "Miss fraction part in number. at 2"],
  ["1e+", "Miss exponent in number. at 3"],
  ["1e999", "Number too big to be stored in double. at 0"],
  ["01", "The document root must not be followed by other values. at 1"],
  ["{} x", "The document root must not be followed by other values. at 3"],
  ['"a', "Missing a closing quotation mark in string. at 2"],
  ['"\\x"', "Invalid escape character in string. at 1"],
  ['"\\u12g4"', "Incorrect hex digit after \\u escape in string. at 1"],
  ['"\\ud800x"', "The surrogate pair in string is invalid. at 1"],
  ['"\n"', "Invalid encoding in string. at 1"],
])("%j is refused with RapidJSON's text and offset", (text, expected) => {
  const message = `failed to parse the request JSON buffer: ${expected}`;
  expect(() => scan(text)).toThrow(expect.objectContaining({ code: "INTERNAL", message }));
});

test.each(["[1 2]", "[[1,2}", "[1,,2]", "[[1],", "[tru]", "[1.]", '["a]'])("%s is refused as tensor data too", (text) => {
  expect(() => scan(`{"data":${text}}`, { spansOf: "data" })).toThrow("failed to parse the request JSON buffer");
});
