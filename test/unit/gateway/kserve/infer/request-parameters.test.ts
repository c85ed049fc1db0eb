/** Headers that become request parameters. */
import { expect, test } from "vitest";
import type { ParameterValue } from "../../../../../core/messages/parameter-value.ts";
import { forwardHeaders, headerPattern } from "../../../../../gateway/kserve/infer/request-parameters.ts";

const HEADERS = [
  ["MY_Header", "1"],
  ["x-other", "2"],
  ["my_header_too", "3"],
] as const;

function forwarded(pattern: string): ReadonlyMap<string, ParameterValue> {
  const values = new Map<string, ParameterValue>();
  forwardHeaders(HEADERS, headerPattern(pattern), values);
  return values;
}

test.each([
  ["my_header", ["MY_Header", "my_header_too"]],
  ["(?-i)my_header", ["my_header_too"]],
  ["er$", ["MY_Header", "x-other"]],
  ["(?-i)MY_HEADER.*", []],
])("%s matches anywhere in a header's name, in any case unless it says otherwise", (pattern, names) => {
  expect([...forwarded(pattern).keys()]).toEqual(names);
});

test.each(["sequence_id", "timeout", "headers", "Triton_x", "binary_data_output"])("%s cannot be forwarded", (name) => {
  const message = `Header '${name}' is reserved for Triton usage and cannot be forwarded.`;
  expect(() => forwardHeaders([[name, "1"]], headerPattern(".*"), new Map())).toThrow(message);
});

test("a pattern that is none is refused", () => {
  expect(() => headerPattern("(")).toThrow("'(' is no regular expression for header names");
});
