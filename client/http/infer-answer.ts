/** The answer to an inference over HTTP: JSON, then the bytes of the outputs that are not in it. Pure. */
import type { ParameterValue } from "../../core/messages/parameter-value.ts";
import { jsonCount, jsonField, jsonList, jsonObject, jsonText } from "../../core/model/json-value.ts";
import { isDtype } from "../../core/tensor/dtype.ts";
import type { Shape } from "../../core/tensor/tensor.ts";
import { unreadable } from "../client-error.ts";
import { InferResult } from "../infer-result.ts";
import { parseJson } from "../json-exact.ts";
import { OutputTensor } from "../output-tensor.ts";
import { jsonElements } from "./json-elements.ts";

const DECODER = new TextDecoder();

/**
 * @param headerLength the answer's `inference-header-content-length`; null: all of it is JSON
 * @throws ClientError INTERNAL for what is no such answer
 */
export function parseInferAnswer(bytes: Uint8Array, headerLength: string | null): InferResult {
  const jsonBytes = headerLength === null ? bytes.byteLength : Number(headerLength);
  if (!Number.isInteger(jsonBytes) || jsonBytes < 0 || jsonBytes > bytes.byteLength) {
    throw unreadable(`its JSON has ${headerLength} of ${bytes.byteLength} bytes`);
  }
  return inferResult(parseJson(DECODER.decode(bytes.subarray(0, jsonBytes))), bytes.subarray(jsonBytes));
}

/** @param blobs of the binary outputs, one after the other */
export function inferResult(json: unknown, blobs: Uint8Array): InferResult {
  const model = jsonText(json, "model_name");
  if (model === undefined) throw unreadable("an inference without a model's name");
  let offset = 0;
  const outputs = jsonList(json, "outputs").map((output) => {
    const binaryBytes = jsonCount(jsonField(output, "parameters"), "binary_data_size");
    if (binaryBytes === undefined) return outputTensor(output, undefined);
    if (offset + binaryBytes > blobs.byteLength) throw unreadable(`its outputs have more than its ${blobs.byteLength} bytes`);
    offset += binaryBytes;
    return outputTensor(output, blobs.subarray(offset - binaryBytes, offset));
  });
  if (offset !== blobs.byteLength) throw unreadable(`${blobs.byteLength - offset} bytes belong to no output`);
  return new InferResult({
    model,
    version: jsonText(json, "model_version") ?? "",
    id: jsonText(json, "id") ?? "",
    parameters: parameterMap(jsonObject(json, "parameters")),
    outputs,
  });
}

function outputTensor(output: unknown, bytes: Uint8Array | undefined): OutputTensor {
  const name = jsonText(output, "name");
  const dtype = jsonText(output, "datatype");
  if (name === undefined || !isDtype(dtype)) throw unreadable(`an output without a name, or of the datatype ${dtype}`);
  const head = { name, dtype, shape: shapeOf(output) };
  if (bytes !== undefined) return new OutputTensor(head, bytes);
  const data = jsonField(output, "data");
  return new OutputTensor(head, Array.isArray(data) ? jsonElements(dtype, data) : undefined);
}

/** The sizes of `shape`; -1 where a model takes any. */
export function shapeOf(tensor: unknown): Shape {
  return jsonList(tensor, "shape").map((size) => {
    if (typeof size === "number" && Number.isSafeInteger(size)) return size;
    throw unreadable(`a shape has the size ${String(size)}`);
  });
}

function parameterMap(parameters: object | undefined): ReadonlyMap<string, ParameterValue> {
  const known = new Map<string, ParameterValue>();
  for (const [name, value] of Object.entries(parameters ?? {})) if (isParameter(value)) known.set(name, value);
  return known;
}

function isParameter(value: unknown): value is ParameterValue {
  return ["string", "number", "bigint", "boolean"].includes(typeof value);
}
