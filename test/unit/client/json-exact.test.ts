import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../../client/json-exact.ts";

const RUNS = { seed: 20_260_402, numRuns: 300 };

test("whole numbers keep all their digits", () => {
  expect(parseJson('{"a":18446744073709551615,"b":-9007199254740993,"c":7,"d":"18446744073709551615","e":1e300}')).toEqual({
    a: 18446744073709551615n,
    b: -9007199254740993n,
    c: 7,
    d: "18446744073709551615",
    e: 1e300,
  });
});

test("NaN and infinities are numbers outside of texts", () => {
  expect(parseJson('{"a":[NaN,Infinity,-Infinity,-Inf,1],"b":"NaN \\" Infinity","c":9007199254740993}')).toEqual({
    a: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, 1],
    b: 'NaN " Infinity',
    c: 9007199254740993n,
  });
});

test("but for those it is what JSON.parse makes of it", () => {
  const asNumbers = (_: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(revived(parseJson(text), asNumbers)).toEqual(JSON.parse(text));
    }),
    RUNS,
  );
});

/** Every value of the tree, itself last, as `JSON.parse` would hand it to a reviver. */
function revived(value: unknown, revive: (key: string, value: unknown) => unknown, key = ""): unknown {
  if (typeof value !== "object" || value === null) return revive(key, value);
  if (Array.isArray(value)) return value.map((element, index) => revived(element, revive, String(index)));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, revived(member, revive, name)]));
}

test("what is no JSON is told as the server's fault", () => {
  expect(() => parseJson("<html>")).toThrow(
    expect.objectContaining({ code: "INTERNAL", message: "the server's answer cannot be read: no JSON: <html>" }),
  );
});
