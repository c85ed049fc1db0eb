/** config.pbtxt is read in every form that protobuf allows, and what is wrong has a line. */
import { describe, expect, test } from "vitest";
import { configJson } from "../../../../../../core/model/config/text/config-json.ts";
import { CONFIG_CHARACTERS_MAX, parseModelConfig } from "../../../../../../core/model/config/text/parse-text.ts";
import { textTokens } from "../../../../../../core/model/config/text/text-tokens.ts";

const PREFIX = "Error parsing text-format inference.ModelConfig: ";
const parse = (text: string) => parseModelConfig(text, "config.pbtxt");

const FAULTS: readonly (readonly [name: string, text: string, message: string])[] = [
  [
    "an unknown field, with the one that was meant",
    'name: "x"\nmax_batch_sise: 4\n',
    '2:1: Message type "inference.ModelConfig" has no field named "max_batch_sise". Did you mean "max_batch_size"?',
  ],
  [
    "an unknown field inside a list",
    "input [\n  { name: 'a' },\n  { dimms: [ 1 ] }\n]",
    '3:5: Message type "inference.ModelInput" has no field named "dimms". Did you mean "dims"?',
  ],
  ["an unknown field that resembles none", "frobnicate: 1", '1:1: Message type "inference.ModelConfig" has no field named "frobnicate".'],
  [
    "an unknown value of an enumeration, with those that exist",
    "instance_group [\n  { kind: KIND_TPU }\n]",
    '2:11: unknown enum value "KIND_TPU" for enum inference.ModelInstanceGroup.Kind; there are KIND_AUTO, KIND_GPU, KIND_CPU, KIND_MODEL',
  ],
  ["a comma after the last element", "input { dims: [ 1, 2, ] }", '1:23: expected an integer, got "]"'],
  ["a text without quotes", "name: x", '1:7: expected a string, got "x"'],
  ["a missing colon", 'name "x"', '1:1: expected ":" before value of field "name"'],
  ["a number with a fraction", "max_batch_size: 1.5", '1:17: expected an integer, got "1.5"'],
  ["a field that is given twice", 'name: "a"\nname: "b"', '2:1: non-repeated field "name" is repeated'],
  ["two schedulers", "dynamic_batching { }\nsequence_batching { }", '2:1: oneof "scheduling_choice" is already set'],
  [
    "a bracket that nothing closes",
    'name: "x"\ninput {\n  name: "a"\n',
    '4:1: unexpected end of input, expected "}" (the "{" at 2:7 is not closed)',
  ],
  ["a text that does not end", 'name: "x', "1:7: unterminated string"],
  ["a mark that belongs nowhere", 'name: "x" ]', '1:11: expected a field name, got "]"'],
];

describe("a faulty config.pbtxt", () => {
  test.each(FAULTS)("says where it has %s", (_, text, message) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", message: `${PREFIX}${message}` }));
  });

  test("says the line behind comments, texts over lines and blanks", () => {
    const text = '# one\nname: "a # no comment"\n\n  # two\n\tplatform: "b"\r\n  bogus: 1';
    expect(() => parse(text)).toThrow(`${PREFIX}6:3: `);
  });

  test("that is too long to be one is not read", () => {
    expect(() => parse(`#${"x".repeat(CONFIG_CHARACTERS_MAX)}`)).toThrow(/config\.pbtxt has 1048577 characters/);
  });
});

describe("a config.pbtxt", () => {
  test("may be written in all of the forms of protobuf's text", () => {
    const plain = parse(
      'name: "ab" max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: 1 dims: -1 } parameters { key: "k" value { string_value: "v" } }',
    );
    const odd = parse(
      `name: 'a' "b"; max_batch_size: 0x8, input: [ < name: "\\170", data_type: 11; dims: [ 1, - 1 ] > ] parameters: { value: { string_value: "v" } key: 'k' }`,
    );
    expect(configJson(odd.config)).toBe(configJson(plain.config));
  });

  test("knows where its fields stand: repeated ones by index, entries of maps by key", () => {
    const { positions } = parse(
      [
        'name: "x"',
        "input [",
        '  { name: "a" dims: [ 1,',
        "    2 ] },",
        '  { name: "b" }',
        "]",
        "parameters {",
        '  key: "k" value: { string_value: "v" }',
        "}",
        "dynamic_batching {",
        "  preferred_batch_size: [ 4, 8 ]",
        "}",
      ].join("\n"),
    );
    const at = (...path: (string | number)[]): string => {
      const { line, column } = positions.positionOf(path);
      return `${line}:${column}`;
    };
    expect(at("name")).toBe("1:1");
    expect(at("input", 0, "dims", 1)).toBe("4:5");
    expect(at("input", 1, "name")).toBe("5:5");
    expect(at("parameters", "k", "string_value")).toBe("8:21");
    expect(at("dynamic_batching", "preferred_batch_size", 1)).toBe("11:30");
  });

  test("gives the nearest place for a field that is not there", () => {
    const { positions } = parse('input [ { name: "a" },\n  { name: "b" } ]');
    expect(positions.positionOf(["input", 1, "dims"])).toEqual({ line: 2, column: 3 });
    expect(positions.positionOf(["output", 0])).toEqual({ line: 1, column: 1 });
  });

  test("is cut into tokens that cover everything but blanks and comments", () => {
    const text = 'name: "a\\"b" # c\n[ -1, 1e5 ] \u00a7';
    const rest = textTokens(text).reduceRight((left, { start, end }) => left.slice(0, start) + left.slice(end), text);
    expect(rest.replace(/#.*/, "").trim()).toBe("");
  });
});
