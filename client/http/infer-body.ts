/** The body of an inference over HTTP: JSON, then the inputs' bytes (KServe v2, binary tensor data extension). Pure. */
import type { ParameterValue } from "../../core/messages/parameter-value.ts";
import { type InferRequest, type RequestedOutput, requestedOutput, requestParameters } from "../infer-request.ts";
import type { InferInput, SharedRange } from "../tensor-input.ts";
import { jsonData } from "./json-elements.ts";

export interface InferBody {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the JSON takes of them. */
  readonly jsonBytes: number;
}

export interface TensorFormats {
  /** How inputs go: as bytes behind the JSON unless said, or in it, which half-precision types cannot. */
  readonly binaryInputs?: boolean;
  /** How answers come, likewise. */
  readonly binaryOutputs: boolean;
}

const ENCODER = new TextEncoder();

/** @throws ClientError INVALID_ARGUMENT for parameters with reserved names, and for inputs that JSON cannot hold */
export function inferBody(request: InferRequest, { binaryInputs = true, binaryOutputs }: TensorFormats): InferBody {
  const { id, inputs, outputs = [] } = request;
  const parameters = requestParameters(request);
  if (binaryOutputs && outputs.length === 0) parameters.set("binary_data_output", true);
  let json = id === undefined ? "{" : `{"id":${JSON.stringify(id)},`;
  if (parameters.size > 0) json += `"parameters":${parametersText(parameters)},`;
  json += `"inputs":[${inputs.map((input) => inputText(input, binaryInputs)).join(",")}]`;
  if (outputs.length > 0) json += `,"outputs":[${outputs.map((output) => outputText(requestedOutput(output), binaryOutputs)).join(",")}]`;
  return joined(ENCODER.encode(`${json}}`), binaryInputs ? inputs : []);
}

/** Integers keep all their digits. */
export function parametersText(parameters: ReadonlyMap<string, ParameterValue>): string {
  const members = Array.from(parameters, ([name, value]) => {
    return `${JSON.stringify(name)}:${typeof value === "bigint" ? value : JSON.stringify(value)}`;
  });
  return `{${members.join(",")}}`;
}

function inputText(input: InferInput, binary: boolean): string {
  const { name, dtype, shape } = input;
  const head = `{"name":${JSON.stringify(name)},"shape":[${shape.join(",")}],"datatype":"${dtype}"`;
  if (!binary && "data" in input) return `${head},"data":${jsonData(input)}}`;
  const source = "shared" in input ? rangeText(input.shared) : `"binary_data_size":${input.data.byteLength}`;
  return `${head},"parameters":{${source}}}`;
}

function outputText({ name, classes, shared }: RequestedOutput, binary: boolean): string {
  const wishes = [
    ...(classes === undefined ? [] : [`"classification":${classes}`]),
    shared === undefined ? `"binary_data":${binary}` : rangeText(shared),
  ];
  return `{"name":${JSON.stringify(name)},"parameters":{${wishes.join(",")}}}`;
}

function rangeText({ region, bytes, offset = 0 }: SharedRange): string {
  const place = offset === 0 ? "" : `,"shared_memory_offset":${offset}`;
  return `"shared_memory_region":${JSON.stringify(region)},"shared_memory_byte_size":${bytes}${place}`;
}

function joined(json: Uint8Array<ArrayBuffer>, inputs: readonly InferInput[]): InferBody {
  const blobs = inputs.flatMap((input) => ("shared" in input ? [] : [input.data]));
  const bytes = new Uint8Array(blobs.reduce((sum, blob) => sum + blob.byteLength, json.byteLength));
  bytes.set(json);
  let offset = json.byteLength;
  for (const blob of blobs) {
    bytes.set(blob, offset);
    offset += blob.byteLength;
  }
  return { bytes, jsonBytes: json.byteLength };
}
