/** Mutations of a JSON value: what a client could send by mistake or on purpose. */
import fc from "fast-check";

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Written as they are: JSON.stringify would round them. */
const RAW = [
  "9223372036854775807",
  "18446744073709551616",
  "-9223372036854775809",
  "1e999",
  "-1e999",
  "NaN",
  "Infinity",
  "1.5",
  "-0",
  "1e-400",
];
const MARK = "\u0001raw:";

const HOSTILE: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e308,
  "",
  "\u0000",
  "\ud800",
  "__proto__",
  "x".repeat(300),
  [],
  {},
  [[]],
  [null],
  [1, 2, 3],
  [16, `${MARK}1152921504606846978`],
  { constructor: {}, __proto__: 1 },
  ...RAW.map((text) => MARK + text),
  [1, `${MARK}9223372036854775807`, 4],
  Array.from({ length: 200 }, () => 1),
];

/** `value` with some of its parts replaced, removed, doubled or renamed. */
export function mutated(value: Json): fc.Arbitrary<string> {
  const step = fc.record({
    at: fc.nat(10_000),
    how: fc.constantFrom("replace", "replace", "replace", "remove", "rename", "wrap"),
    hostile: fc.constantFrom(...HOSTILE),
  });
  return fc.array(step, { minLength: 1, maxLength: 3 }).map((steps) => {
    let current = value;
    for (const { at, how, hostile } of steps) current = changed(current, at % countOf(current), how, hostile);
    return JSON.stringify(current).replace(/"\\u0001raw:([^"]*)"/g, "$1");
  });
}

/** The text with some bytes changed, removed or doubled. */
export function damaged(text: string): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const bytes = Buffer.from(text);
  const step = fc.tuple(fc.nat(bytes.length - 1), fc.constantFrom("set", "cut", "double"), fc.nat(255));
  return fc.array(step, { minLength: 1, maxLength: 4 }).map((steps) => {
    let current = Uint8Array.from(bytes);
    for (const [at, how, value] of steps) {
      const place = at % Math.max(1, current.length);
      if (how === "set") current[place] = value;
      else if (how === "cut") current = current.slice(0, place);
      else current = Uint8Array.from([...current.slice(0, place), ...current.slice(place), ...current.slice(place)]);
    }
    return current;
  });
}

const children = (value: Json): readonly (readonly [string, Json])[] =>
  typeof value === "object" && value !== null ? Object.entries(value) : [];

/** Of all values below one, itself included. */
function countOf(value: Json): number {
  return children(value).reduce((sum, [, child]) => sum + countOf(child), 1);
}

/** @param index of the value to change, counted in depth */
function changed(value: Json, index: number, how: string, hostile: Json): Json {
  if (index === 0) return how === "wrap" ? [value] : hostile;
  let left = index - 1;
  const entries: [string, Json][] = [];
  for (const [name, child] of children(value)) {
    const count = countOf(child);
    if (left < 0 || left >= count) entries.push([name, child]);
    else if (left === 0 && how === "rename") entries.push([`${name}x`, child]);
    else if (left > 0 || how !== "remove") entries.push([name, changed(child, left, how, hostile)]);
    left -= count;
  }
  return Array.isArray(value) ? entries.map(([, child]) => child) : Object.fromEntries(entries);
}
