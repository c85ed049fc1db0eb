/** The JSON of an inference request, read in Triton's order and refused in its words. Pure. */
import type { ServingError } from "../../../core/errors.ts";
import type { ParameterValue } from "../../../core/messages/parameter-value.ts";
import { type Dtype, isDtype } from "../../../core/tensor/dtype.ts";
import type { Shape } from "../../../core/tensor/tensor.ts";
import { asArray, asCount, asFlag, asText, asUnsigned, memberOf, requiredMember } from "../json/json-members.ts";
import { scanJson } from "../json/json-scanner.ts";
import { bytesAsText, JsonSpan, type JsonValue } from "../json/json-value.ts";
import { readTensorData } from "../json/tensor-data-reader.ts";
import { invalid, requestPrefix } from "../triton-error.ts";
import { readParameters } from "./request-parameters.ts";

/** A part of a client's shared memory. */
export interface SharedRange {
  readonly region: string;
  readonly offset: number;
  readonly bytes: number;
}

export type DataSource =
  | { readonly kind: "json"; readonly data: Uint8Array }
  /** The next so many bytes behind the JSON. */
  | { readonly kind: "binary"; readonly bytes: number }
  | { readonly kind: "shared"; readonly range: SharedRange };

export interface InputHead {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly source: DataSource;
}

/** How the client wants an output. */
export interface OutputWish {
  readonly binary: boolean;
  /** 0: the tensor itself; else so many of its largest values, named. */
  readonly classes: number;
  readonly shared: SharedRange | undefined;
}

export interface InferHead {
  readonly id: string;
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly priority: number;
  readonly timeoutUs: number;
  readonly binaryOutput: boolean;
  readonly inputs: readonly InputHead[];
  /** By name, in the request's order; empty: all. */
  readonly outputs: ReadonlyMap<string, OutputWish>;
  /** The keys of `outputs`. */
  readonly outputNames: readonly string[];
}

export interface HeadLimits {
  /** Of one input, once it is in its datatype. */
  readonly bytesMax: number;
}

const ELEMENTS_MAX = 2n ** 63n - 1n;
/** More than any model has; each name travels to the model's node. */
const TENSORS_MAX = 4_096;
const NO_OUTPUTS: ReadonlyMap<string, OutputWish> = new Map();

/** @throws ServingError INTERNAL for JSON that is malformed or of wrong types, INVALID_ARGUMENT for what says the wrong thing */
export function parseInferHead(bytes: Uint8Array, limits: HeadLimits): InferHead {
  return parseInferText(bytesAsText(bytes), limits);
}

/** @param text one character a byte @throws ServingError as `parseInferHead` */
export function parseInferText(text: string, { bytesMax }: HeadLimits): InferHead {
  const json = scanJson(text, { spansOf: "data" });
  const idJson = memberOf(json, "id");
  const id = idJson === undefined ? "" : asText(idJson, "Unable to parse 'id'");
  const { values, priority, timeoutUs, binaryOutput } = readParameters(memberOf(json, "parameters"));
  const inputsJson = asArray(requiredMember(json, "inputs", "Unable to parse 'inputs'"), "Unable to parse 'inputs'");
  checkTensors(inputsJson.length, "inputs");
  const inputs: InputHead[] = [];
  for (const input of inputsJson) inputs.push(readInput(input, inputs, { text, id, bytesMax }));
  const outputs = readOutputs(memberOf(json, "outputs"), id);
  return { id, parameters: values, priority, timeoutUs, binaryOutput, inputs, outputs, outputNames: [...outputs.keys()] };
}

function checkTensors(count: number, what: string): void {
  if (count > TENSORS_MAX) throw invalid(`the request has ${count} ${what}, at most ${TENSORS_MAX}`);
}

interface InputContext {
  readonly text: string;
  readonly id: string;
  readonly bytesMax: number;
}

function readInput(json: JsonValue, before: readonly InputHead[], { text, id, bytesMax }: InputContext): InputHead {
  const data = memberOf(json, "data");
  const parameters = memberOf(json, "parameters") ?? null;
  const binary = memberOf(parameters, "binary_data_size");
  const shared = memberOf(parameters, "shared_memory_region");
  const sources = (data === undefined ? 0 : 1) + (binary === undefined ? 0 : 1) + (shared === undefined ? 0 : 1);
  if (sources !== 1) throw notOneSource({ data, binary_data_size: binary, shared_memory_region: shared });
  const name = asText(requiredMember(json, "name", "Unable to parse 'name'"), "Unable to parse 'name'");
  const datatype = asText(requiredMember(json, "datatype", "Unable to parse 'datatype'"), "Unable to parse 'datatype'");
  const shape = readShape(json, name);
  if (before.some((other) => other.name === name)) throw invalid(`${requestPrefix(id)}input '${name}' already exists in request`);
  if (!isDtype(datatype)) throw invalid(`invalid datatype for input ${name}`);
  const head = { name, dtype: datatype, shape };
  if (binary !== undefined) {
    return { ...head, source: { kind: "binary", bytes: asCount(binary, "Unable to parse 'binary_data_size'") } };
  }
  if (data === undefined) return { ...head, source: { kind: "shared", range: readRange(parameters) } };
  const count = shape.reduce((product, size) => product * size, 1);
  if (count === 0) return { ...head, source: { kind: "json", data: new Uint8Array() } };
  if (!(data instanceof JsonSpan)) asArray(data, "Unable to parse 'data'");
  const start = data instanceof JsonSpan ? data.start : 0;
  return { ...head, source: { kind: "json", data: readTensorData(text, start, { input: name, dtype: datatype, count, bytesMax }) } };
}

function notOneSource(sources: Readonly<Record<string, JsonValue | undefined>>): ServingError {
  const set = Object.keys(sources).filter((name) => sources[name] !== undefined);
  const found = set.length === 0 ? "no field is set" : `set ${set.map((name) => `'${name}'`).join(" ")}`;
  return invalid(
    "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in " +
      `'parameters'. But ${found}`,
  );
}

function readShape(json: JsonValue, name: string): Shape {
  const label = "Unable to parse 'shape'";
  const sizes = asArray(requiredMember(json, "shape", label), label);
  const shape = sizes.map((size) => asCount(size, label));
  const product = shape.reduce((count, size) => count * size, 1);
  if (Number.isSafeInteger(product)) return shape;
  const exact = sizes.reduce<bigint>((count, size) => count * BigInt(asUnsigned(size, label)), 1n);
  if (exact <= ELEMENTS_MAX) return shape;
  throw invalid(
    `invalid shape for input '${name}': shape [${sizes.join(",")}] causes total element count to exceed maximum size of ${ELEMENTS_MAX}`,
  );
}

function readRange(parameters: JsonValue): SharedRange {
  const region = requiredMember(parameters, "shared_memory_region", undefined);
  const count = (name: string) => asCount(memberOf(parameters, name) ?? 0, `Unable to parse '${name}'`);
  return {
    region: asText(region, "Unable to parse 'shared_memory_region'"),
    offset: count("shared_memory_offset"),
    bytes: count("shared_memory_byte_size"),
  };
}

function readOutputs(json: JsonValue | undefined, id: string): ReadonlyMap<string, OutputWish> {
  if (json === undefined) return NO_OUTPUTS;
  const list = asArray(json, "Unable to parse 'outputs'");
  checkTensors(list.length, "outputs");
  const outputs = new Map<string, OutputWish>();
  for (const output of list) {
    const parameters = memberOf(output, "parameters") ?? null;
    checkConflicts(parameters);
    const name = asText(requiredMember(output, "name", "Unable to parse 'name'"), "Unable to parse 'name'");
    if (outputs.has(name)) throw invalid(`${requestPrefix(id)}output '${name}' already exists in request`);
    const binary = memberOf(parameters, "binary_data");
    const classes = memberOf(parameters, "classification");
    outputs.set(name, {
      classes: classes === undefined ? 0 : asCount(classes, "Unable to set 'classification'"),
      shared: memberOf(parameters, "shared_memory_region") === undefined ? undefined : readRange(parameters),
      binary: binary !== undefined && asFlag(binary, "Unable to parse 'binary_data'"),
    });
  }
  return outputs;
}

function checkConflicts(parameters: JsonValue): void {
  if (memberOf(parameters, "shared_memory_region") === undefined) return;
  if (memberOf(parameters, "classification") !== undefined) {
    throw invalid("Output can't set both 'shared_memory_region' and 'classification'");
  }
  const binary = memberOf(parameters, "binary_data");
  if (binary !== undefined && asFlag(binary, "Unable to set 'binary_data'")) {
    throw invalid("Output can't set both 'shared_memory_region' and 'binary_data'");
  }
}
