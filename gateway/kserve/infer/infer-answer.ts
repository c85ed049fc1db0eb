/** The answer to an inference: JSON, then the bytes of the outputs that go as they are. Pure. */
import type { ParameterValue } from "../../../core/messages/parameter-value.ts";
import { dataBytes, partsOf, type Tensor } from "../../../core/tensor/tensor.ts";
import type { InferResponse } from "../../serving/inference.ts";
import type { ModelView } from "../../serving/model-catalog.ts";
import { doubleText } from "../json/double-text.ts";
import { writeTensorData } from "../json/tensor-data-writer.ts";
import { internal } from "../triton-error.ts";
import { classify } from "./classification.ts";
import type { InferHead, OutputWish } from "./infer-head.ts";

export interface InferAnswer {
  readonly headers: Readonly<Record<string, string>>;
  /** The outputs' bytes as they are, behind the JSON: nothing is joined here. */
  readonly body: string | readonly Uint8Array[];
}

export interface AnswerContext {
  readonly head: Pick<InferHead, "id" | "outputs" | "binaryOutput">;
  readonly view: ModelView;
  /** Where outputs go that do not travel in the answer, by name. */
  readonly shared: ReadonlyMap<string, { write(data: Uint8Array): void }>;
}

const JSON_HEADERS = { "content-type": "application/json" };

/**
 * Keys stand in Triton's order.
 * @throws ServingError for what cannot be written as wanted: half-precision types as JSON, unordered types as classes, outputs that
 * are larger than the client's shared memory
 */
export function encodeInferAnswer(response: InferResponse, context: AnswerContext): InferAnswer {
  const { head } = context;
  let json = head.id === "" ? "{" : `{"id":${JSON.stringify(head.id)},`;
  json += `"model_name":${JSON.stringify(response.model)},"model_version":"${response.version}"`;
  if (response.parameters.size > 0) json += `,"parameters":{${parametersText(response.parameters)}}`;
  const blobs: Uint8Array[] = [];
  json += `,"outputs":[${response.outputs.map((output) => outputText(output, context, blobs)).join(",")}]}`;
  return withBlobs(json, blobs);
}

export function parameterText(value: ParameterValue): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "number" ? doubleText(value) : String(value);
}

function parametersText(parameters: ReadonlyMap<string, ParameterValue>): string {
  return Array.from(parameters, ([name, value]) => `${JSON.stringify(name)}:${parameterText(value)}`).join(",");
}

function outputText(output: Tensor, { head, view, shared }: AnswerContext, blobs: Uint8Array[]): string {
  const wish = head.outputs.get(output.name);
  const region = shared.get(output.name);
  if (region !== undefined) {
    checkFits(output, wish);
    region.write(output.data);
    return `{${headText(output)}}`;
  }
  const classes = wish?.classes ?? 0;
  const tensor = classes === 0 ? output : classify(output, { classes, batched: view.maxBatchSize > 0, labels: labelsOf(output, view) });
  if (!(wish?.binary ?? head.binaryOutput)) return `{${headText(tensor)},"data":[${writeTensorData(tensor)}]}`;
  const bytes = dataBytes(tensor);
  if (bytes > 0) blobs.push(...partsOf(tensor));
  return `{${headText(tensor)},"parameters":{"binary_data_size":${bytes}}}`;
}

function headText({ name, dtype, shape }: Tensor): string {
  return `"name":${JSON.stringify(name)},"datatype":"${dtype}","shape":[${shape.join(",")}]`;
}

function labelsOf({ name }: Tensor, view: ModelView): readonly string[] {
  return view.outputs.find((output) => output.name === name)?.labels ?? [];
}

function checkFits({ name, data }: Tensor, wish: OutputWish | undefined): void {
  const bytes = wish?.shared?.bytes ?? 0;
  if (data.byteLength <= bytes) return;
  const size = `shared memory size specified with the request for output '${name}' (${bytes} bytes)`;
  throw internal(`${size} should be at least ${data.byteLength} bytes to hold the results`);
}

function withBlobs(json: string, blobs: readonly Uint8Array[]): InferAnswer {
  if (blobs.length === 0) return { headers: JSON_HEADERS, body: json };
  const head = Buffer.from(json);
  return {
    headers: { "content-type": "application/octet-stream", "inference-header-content-length": String(head.byteLength) },
    body: [head, ...blobs],
  };
}
