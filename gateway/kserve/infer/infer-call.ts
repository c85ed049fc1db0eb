/** An inference request as a client sent it over HTTP: what it says, and its data at hand. */
import { ServingError } from "../../../core/errors.ts";
import type { ParameterValue } from "../../../core/messages/parameter-value.ts";
import { type Tensor, tensorOf } from "../../../core/tensor/tensor.ts";
import type { Body } from "../../http/body.ts";
import { wholeBody } from "../../http/body.ts";
import type { BodyParser, BodyParsers } from "../../http/body-parser.ts";
import type { HttpRequest } from "../../http/route.ts";
import { traceparentOf } from "../../http/traceparent.ts";
import type { InferRequest } from "../../serving/inference.ts";
import type { ModelView } from "../../serving/model-catalog.ts";
import { inflate, type RequestEncoding } from "../content-encoding.ts";
import { bytesAsText } from "../json/json-value.ts";
import { modelPath } from "../model-path.ts";
import type { SharedMemoryRegions } from "../shared-memory.ts";
import type { TensorServing } from "../tensor-serving.ts";
import { invalid } from "../triton-error.ts";
import { BodyBytes } from "./body-bytes.ts";
import { headerLength } from "./header-length.ts";
import { type HeadLimits, type InferHead, type InputHead, parseInferHead } from "./infer-head.ts";
import type { KnownHeads } from "./known-heads.ts";
import { rawInput } from "./raw-request.ts";
import { forwardHeaders } from "./request-parameters.ts";

export interface ReadingDeps {
  readonly tensors: TensorServing;
  readonly bodies: BodyParsers;
  readonly heads: KnownHeads;
}

export interface InferCall {
  readonly head: InferHead;
  /** The head's, and those that come as headers. */
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly inputs: readonly Tensor[];
}

export const inferHeadParser: BodyParser<InferHead, HeadLimits> = {
  parse: parseInferHead,
  module: new URL("./infer-head.ts", import.meta.url),
  name: parseInferHead.name,
};

/** JSON before tensors is longer than this where it has tensors in it: then it is read where that holds up nobody. */
const SHORT_JSON_BYTES_MAX = 16 * 1024;
const RAW_HEAD: InferHead = {
  id: "",
  parameters: new Map(),
  priority: 0,
  timeoutUs: 0,
  binaryOutput: true,
  inputs: [],
  outputs: new Map(),
  outputNames: [],
};

interface CallContext {
  readonly deps: ReadingDeps;
  readonly request: HttpRequest;
  readonly view: ModelView;
}

/** At once, unless it is compressed or large. @throws ServingError with Triton's texts */
export function readCall(context: CallContext, encoding: Exclude<RequestEncoding, "unknown">): InferCall | Promise<InferCall> {
  const { body, bodyBytesMax } = context.request;
  if (encoding === "identity") return callOf(body, context);
  return inflate(encoding, wholeBody(body), bodyBytesMax).then((bytes) => callOf(inOnePiece(bytes), context));
}

export function inferRequest({ head, parameters, inputs }: InferCall, request: HttpRequest): InferRequest {
  const { name, version } = modelPath(request);
  return {
    model: name,
    version,
    id: head.id,
    tenant: request.tenant,
    budget: request.budget,
    explanation: request.explanation,
    parameters,
    priority: head.priority,
    timeoutUs: head.timeoutUs,
    inputs,
    outputs: head.outputNames,
    deadlineMs: undefined,
    traceparent: traceparentOf(request),
    memory: request.body.memory,
  };
}

/** @throws ServingError PERMISSION_DENIED for clients on other machines: they share no memory with this one */
export function sharedMemoryFor(request: HttpRequest, { sharedMemory }: TensorServing): SharedMemoryRegions {
  sharedMemory.checkAllowed();
  if (request.fromLoopback) return sharedMemory;
  throw new ServingError("PERMISSION_DENIED", "shared memory is for clients on this machine: send the data in the request instead");
}

function inOnePiece(bytes: Uint8Array<ArrayBuffer>): Body {
  return { byteLength: bytes.byteLength, segments: [bytes] };
}

function callOf(body: Body, context: CallContext): InferCall | Promise<InferCall> {
  const jsonBytes = headerLength(context.request.header("inference-header-content-length"), body.byteLength);
  const rest = new BodyBytes(body);
  if (jsonBytes === 0) {
    const inputs = [rawInput(rest.take(body.byteLength), context.view)];
    return { head: RAW_HEAD, parameters: parametersOf(RAW_HEAD, context), inputs };
  }
  const head = headOf(body, jsonBytes, rest, context);
  return head instanceof Promise ? head.then((read) => jsonCall(read, rest, context)) : jsonCall(head, rest, context);
}

/** Takes the JSON from the bytes. */
function headOf(body: Body, jsonBytes: number, rest: BodyBytes, { request, deps }: CallContext): InferHead | Promise<InferHead> {
  const limits = { bytesMax: request.bodyBytesMax };
  if (jsonBytes === body.byteLength) {
    rest.left = 0;
    return deps.bodies.parseWith(inferHeadParser, body, limits);
  }
  const json = rest.take(jsonBytes);
  if (jsonBytes <= SHORT_JSON_BYTES_MAX) return deps.heads.read(bytesAsText(json), limits);
  return deps.bodies.parseWith(inferHeadParser, inOnePiece(json.slice()), limits);
}

function jsonCall(head: InferHead, rest: BodyBytes, context: CallContext): InferCall {
  const { request, deps, view } = context;
  const inputs = head.inputs.map((input) => inputTensor(input, rest, view.name, () => sharedMemoryFor(request, deps.tensors)));
  if (rest.left > 0) throw invalid(`unexpected additional input data for model '${view.name}'`);
  return { head, parameters: parametersOf(head, context), inputs };
}

function parametersOf({ parameters }: InferHead, { request, deps, view }: CallContext): InferCall["parameters"] {
  const { forwardedHeaders } = deps.tensors;
  const key = view.sequences === undefined ? undefined : request.header("idempotency-key");
  if (forwardedHeaders === undefined && key === undefined) return parameters;
  const values = new Map(parameters);
  if (forwardedHeaders !== undefined) forwardHeaders(request.headers(), forwardedHeaders, values);
  if (key !== undefined) values.set("idempotency_key", key);
  return values;
}

function inputTensor(input: InputHead, rest: BodyBytes, model: string, sharedMemory: () => SharedMemoryRegions): Tensor {
  const { name, dtype, shape, source } = input;
  switch (source.kind) {
    case "json":
      return { name, dtype, shape, data: source.data };
    case "binary":
      if (source.bytes > rest.left) {
        throw invalid(`unexpected size for input '${name}', expecting ${source.bytes - rest.left} additional bytes for model '${model}'`);
      }
      return tensorOf(input, rest.takePieces(source.bytes));
    case "shared": {
      using lease = sharedMemory().lease(source.range);
      return { name, dtype, shape, data: lease.read() };
    }
  }
}
