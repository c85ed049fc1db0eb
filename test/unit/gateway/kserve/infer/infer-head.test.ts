/** The JSON of inference requests: what is understood, what is refused, in which words. */
import { expect, test } from "vitest";
import { parseInferHead } from "../../../../../gateway/kserve/infer/infer-head.ts";

function parse(body: object | string) {
  return parseInferHead(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)), { bytesMax: 1_000 });
}

const INPUT = { name: "IN", shape: [1, 2], datatype: "FP32", data: [1, 2] };
const withInput = (change: object) => ({ inputs: [{ ...INPUT, data: undefined, ...change }] });
const withOutput = (parameters: object) => ({ inputs: [INPUT], outputs: [{ name: "OUT", parameters }] });
const withParameters = (parameters: unknown) => ({ inputs: [INPUT], parameters });

test("an input, its data at hand, is all that a request needs", () => {
  expect(parse({ inputs: [INPUT] })).toEqual({
    id: "",
    parameters: new Map(),
    priority: 0,
    timeoutUs: 0,
    binaryOutput: false,
    inputs: [{ name: "IN", dtype: "FP32", shape: [1, 2], source: { kind: "json", data: new Uint8Array(Float32Array.of(1, 2).buffer) } }],
    outputs: new Map(),
    outputNames: [],
  });
});

test.each([
  [{ parameters: { binary_data_size: 8 } }, { kind: "binary", bytes: 8 }],
  [
    { parameters: { shared_memory_region: "r", shared_memory_byte_size: 8, shared_memory_offset: 4 } },
    { kind: "shared", range: { region: "r", offset: 4, bytes: 8 } },
  ],
  [{ parameters: { shared_memory_region: "r" } }, { kind: "shared", range: { region: "r", offset: 0, bytes: 0 } }],
  [
    { shape: [0, 5], data: [] },
    { kind: "json", data: new Uint8Array() },
  ],
  [
    { shape: [], data: [7] },
    { kind: "json", data: new Uint8Array(Float32Array.of(7).buffer) },
  ],
])("%j is one source of data", (change, source) => {
  expect(parse(withInput(change)).inputs).toMatchObject([{ source }]);
});

test("parameters keep their kinds, and those that Triton knows their meaning", () => {
  const parameters =
    '{"a":1,"b":"x","c":true,"d":1.5,"big":9007199254740993,"sequence_id":18446744073709551615,"sequence_start":true,"priority":3,' +
    '"timeout":250000,"binary_data_output":true,"headers":2}';
  expect(parse(`{"inputs":[],"id":"q","parameters":${parameters}}`)).toMatchObject({
    id: "q",
    priority: 3,
    timeoutUs: 250_000,
    binaryOutput: true,
    parameters: new Map<string, unknown>([
      ["a", 1n],
      ["b", "x"],
      ["c", true],
      ["d", 1.5],
      ["big", 9007199254740993n],
      ["sequence_id", 18446744073709551615n],
      ["sequence_start", true],
      ["headers", 2n],
    ]),
  });
  expect(parse(withParameters({ sequence_id: "s" })).parameters).toEqual(new Map([["sequence_id", "s"]]));
});

test("a listed output is JSON unless it says otherwise, whatever the default is", () => {
  const outputs = [{ name: "A" }, { name: "B", parameters: { binary_data: true } }, { name: "C", parameters: { classification: 3 } }];
  const head = parse({ inputs: [INPUT], outputs, parameters: { binary_data_output: true } });
  expect([...head.outputs]).toEqual([
    ["A", { binary: false, classes: 0, shared: undefined }],
    ["B", { binary: true, classes: 0, shared: undefined }],
    ["C", { binary: false, classes: 3, shared: undefined }],
  ]);
});

const oneOf =
  "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But";
const unsigned = "attempt to access JSON non-unsigned-integer as unsigned-integer";

test.each([
  ["[]", "INTERNAL", "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"],
  [{ inputs: 5 }, "INTERNAL", "Unable to parse 'inputs': attempt to access JSON non-array as array"],
  [{ inputs: [], id: 5 }, "INTERNAL", "Unable to parse 'id': attempt to access JSON non-string as string"],
  [{ inputs: [5] }, "INVALID_ARGUMENT", `${oneOf} no field is set`],
  [withInput({ data: [1], parameters: { binary_data_size: 4 } }), "INVALID_ARGUMENT", `${oneOf} set 'data' 'binary_data_size'`],
  [
    withInput({ parameters: { binary_data_size: 4, shared_memory_region: "r" } }),
    "INVALID_ARGUMENT",
    `${oneOf} set 'binary_data_size' 'shared_memory_region'`,
  ],
  [withInput({ data: [1], name: undefined }), "INTERNAL", "Unable to parse 'name': attempt to access non-existing object member 'name'"],
  [withInput({ data: [1], datatype: 5 }), "INTERNAL", "Unable to parse 'datatype': attempt to access JSON non-string as string"],
  [withInput({ data: [1], datatype: "FLOAT" }), "INVALID_ARGUMENT", "invalid datatype for input IN"],
  [withInput({ data: [1], shape: [1, -1] }), "INTERNAL", `Unable to parse 'shape': ${unsigned}`],
  [withInput({ data: [1], shape: [1.5] }), "INTERNAL", `Unable to parse 'shape': ${unsigned}`],
  [withInput({ data: [1], shape: 4 }), "INTERNAL", "Unable to parse 'shape': attempt to access JSON non-array as array"],
  [withInput({ data: 5, shape: [1] }), "INTERNAL", "Unable to parse 'data': attempt to access JSON non-array as array"],
  [withInput({ parameters: { binary_data_size: "4" } }), "INTERNAL", `Unable to parse 'binary_data_size': ${unsigned}`],
  [{ inputs: [INPUT, INPUT], id: "q" }, "INVALID_ARGUMENT", "[request id: q] input 'IN' already exists in request"],
  [
    { inputs: [INPUT], outputs: [{ name: "A" }, { name: "A" }] },
    "INVALID_ARGUMENT",
    "[request id: <id_unknown>] output 'A' already exists in request",
  ],
  [{ inputs: [INPUT], outputs: 5 }, "INTERNAL", "Unable to parse 'outputs': attempt to access JSON non-array as array"],
  [withOutput({ binary_data: 1 }), "INTERNAL", "Unable to parse 'binary_data': attempt to access JSON non-boolean as boolean"],
  [withOutput({ classification: -1 }), "INTERNAL", `Unable to set 'classification': ${unsigned}`],
  [
    withOutput({ shared_memory_region: "r", classification: 1 }),
    "INVALID_ARGUMENT",
    "Output can't set both 'shared_memory_region' and 'classification'",
  ],
  [
    withOutput({ shared_memory_region: "r", binary_data: true }),
    "INVALID_ARGUMENT",
    "Output can't set both 'shared_memory_region' and 'binary_data'",
  ],
  [withParameters(5), "INTERNAL", "failed to get request params.: attempt to access JSON non-object as object"],
  [withParameters({ timeout: "1" }), "INTERNAL", `Unable to parse 'timeout': ${unsigned}`],
  [withParameters({ priority: -1 }), "INTERNAL", `Unable to parse 'priority': ${unsigned}`],
  [withParameters({ sequence_id: 1.5 }), "INTERNAL", "Unable to parse 'sequence_id': attempt to access JSON non-string as string"],
  [withParameters({ sequence_end: 1 }), "INTERNAL", "Unable to parse 'sequence_end': attempt to access JSON non-boolean as boolean"],
  [
    withParameters({ triton_x: 1 }),
    "INVALID_ARGUMENT",
    "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
  ],
  [withParameters({ x: [1] }), "INVALID_ARGUMENT", "parameter 'x' has invalid type. It should be either 'int', 'bool', or 'string'."],
  [
    withParameters(Object.fromEntries(Array.from({ length: 1_025 }, (_, index) => [`p${index}`, 1]))),
    "INVALID_ARGUMENT",
    "the request has 1025 parameters, at most 1024",
  ],
])("%j is refused in Triton's words", (body, code, message) => {
  expect(() => parse(body)).toThrow(expect.objectContaining({ name: "ServingError", code, message }));
});

test("a shape is refused when no machine could count its elements", () => {
  const shape = (sizes: string) => `{"inputs":[{"name":"IN","shape":[${sizes}],"datatype":"INT8","parameters":{"binary_data_size":1}}]}`;
  expect(() => parse(shape("3,9223372036854775807"))).toThrow(
    "invalid shape for input 'IN': shape [3,9223372036854775807] causes total element count to exceed maximum size of 9223372036854775807",
  );
  expect(parse(shape("9223372036854775807,0")).inputs).toHaveLength(1);
});
