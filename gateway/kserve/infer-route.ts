/** `POST …/infer`: from a request's bytes to the serving core and back. */
import { ServingError } from "../../core/errors.ts";
import { type Tensor, tensorOf } from "../../core/tensor/tensor.ts";
import { type Body, wholeBody } from "../http/body.ts";
import type { BodyParser, BodyParsers } from "../http/body-parser.ts";
import type { HttpAnswer, HttpRequest } from "../http/route.ts";
import { traceparentOf } from "../http/traceparent.ts";
import type { InferRequest } from "../serving/inference.ts";
import type { ModelView } from "../serving/model-catalog.ts";
import { BodyBytes } from "./body-bytes.ts";
import { deflate, ENCODINGS, inflate, type RequestEncoding, requestEncoding, responseEncoding } from "./content-encoding.ts";
import { tritonError } from "./errors.ts";
import { headerLength } from "./header-length.ts";
import { encodeInferAnswer, type InferAnswer } from "./infer-answer.ts";
import { type HeadLimits, type InferHead, type InputHead, parseInferHead } from "./infer-head.ts";
import { modelPath } from "./model-path.ts";
import { rawInput } from "./raw-request.ts";
import { forwardHeaders } from "./request-parameters.ts";
import type { RegionLease, SharedMemoryRegions } from "./shared-memory.ts";
import type { TensorServing } from "./tensor-serving.ts";
import { invalid } from "./triton-error.ts";

export interface InferDeps {
  readonly tensors: TensorServing;
  readonly bodies: BodyParsers;
}

/** A request as the client sent it, its data at hand. */
export interface InferCall {
  readonly head: InferHead;
  readonly inputs: readonly Tensor[];
}

export const inferHeadParser: BodyParser<InferHead, HeadLimits> = {
  parse: parseInferHead,
  module: new URL("./infer-head.ts", import.meta.url),
  name: parseInferHead.name,
};

/** @throws ServingError with Triton's texts, in its order: the model, the body, what it says, what the core and the model say of it */
export async function infer(deps: InferDeps, request: HttpRequest): Promise<HttpAnswer> {
  const { name, version } = modelPath(request);
  const coming = deps.tensors.demand?.ready(name, request.signal);
  if (coming !== undefined) await coming;
  const view = deps.tensors.catalog.view(name, version);
  if (view.decoupled) {
    throw new ServingError("UNIMPLEMENTED", "HTTP end point doesn't support models with decoupled transaction policy");
  }
  const encoding = requestEncoding(request.header("content-encoding"));
  if (encoding === "unknown") return tritonError(501, "Unsupported compression type", { "accept-encoding": ENCODINGS });
  const call = await readCall(deps, request, view, encoding);
  const answer = wantsShared(call.head)
    ? await answerShared(deps, request, call, view)
    : await answerOf(deps, request, call, view, NONE_SHARED);
  const wanted = responseEncoding(request.header("accept-encoding"));
  if (wanted === "identity") return { kind: "whole", status: 200, ...answer };
  const headers = { ...answer.headers, "content-encoding": wanted };
  return { kind: "whole", status: 200, headers, body: await deflate(wanted, inOneBody(answer.body)) };
}

const NONE_SHARED: ReadonlyMap<string, RegionLease> = new Map();

async function answerOf(
  { tensors }: InferDeps,
  request: HttpRequest,
  call: InferCall,
  view: ModelView,
  shared: ReadonlyMap<string, RegionLease>,
): Promise<InferAnswer> {
  const response = await tensors.inference.infer(inferRequest(call, request), request.signal);
  return encodeInferAnswer(response, { head: call.head, view, shared });
}

function wantsShared({ outputs }: InferHead): boolean {
  for (const { shared } of outputs.values()) if (shared !== undefined) return true;
  return false;
}

async function answerShared(deps: InferDeps, request: HttpRequest, call: InferCall, view: ModelView): Promise<InferAnswer> {
  using leases = new DisposableStack();
  const shared = leaseOutputs(call.head, leases, () => sharedMemoryFor(request, deps.tensors));
  return await answerOf(deps, request, call, view, shared);
}

/** @throws ServingError with Triton's texts */
export async function readCall(
  { tensors, bodies }: InferDeps,
  request: HttpRequest,
  view: ModelView,
  encoding: Exclude<RequestEncoding, "unknown">,
): Promise<InferCall> {
  const body = encoding === "identity" ? request.body : inOnePiece(await inflate(encoding, wholeBody(request.body), request.bodyBytesMax));
  const jsonBytes = headerLength(request.header("inference-header-content-length"), body.byteLength);
  const call = jsonBytes === 0 ? rawCall(body, view) : await jsonCall(body, jsonBytes, { tensors, bodies, request, view });
  if (tensors.forwardedHeaders !== undefined) forwardHeaders(request.headers(), tensors.forwardedHeaders, call.head.parameters);
  const key = view.sequences === undefined ? undefined : request.header("idempotency-key");
  if (key !== undefined) call.head.parameters.set("idempotency_key", key);
  return call;
}

export function inferRequest({ head, inputs }: InferCall, request: HttpRequest): InferRequest {
  const { name, version } = modelPath(request);
  return {
    model: name,
    version,
    id: head.id,
    tenant: request.tenant,
    budget: request.budget,
    explanation: request.explanation,
    parameters: head.parameters,
    priority: head.priority,
    timeoutUs: head.timeoutUs,
    inputs,
    outputs: [...head.outputs.keys()],
    deadlineMs: undefined,
    traceparent: traceparentOf(request),
    memory: request.body.memory,
  };
}

const inOneBody = (body: string | readonly Uint8Array[]) => (typeof body === "string" ? body : Buffer.concat(body));

function inOnePiece(bytes: Uint8Array<ArrayBuffer>): Body {
  return { byteLength: bytes.byteLength, segments: [bytes] };
}

function rawCall(body: Body, view: ModelView): InferCall {
  const inputs = [rawInput(new BodyBytes(body).take(body.byteLength), view)];
  const outputs = new Map();
  return { head: { id: "", parameters: new Map(), priority: 0, timeoutUs: 0, binaryOutput: true, inputs: [], outputs }, inputs };
}

interface CallContext extends InferDeps {
  readonly request: HttpRequest;
  readonly view: ModelView;
}

async function jsonCall(body: Body, jsonBytes: number, { tensors, bodies, request, view }: CallContext): Promise<InferCall> {
  const rest = new BodyBytes(body);
  const json = jsonBytes === body.byteLength ? body : inOnePiece(rest.take(jsonBytes).slice());
  if (json === body) rest.left = 0;
  const head = await bodies.parseWith(inferHeadParser, json, { bytesMax: request.bodyBytesMax });
  const inputs = head.inputs.map((input) => inputTensor(input, rest, view.name, () => sharedMemoryFor(request, tensors)));
  if (rest.left > 0) throw invalid(`unexpected additional input data for model '${view.name}'`);
  return { head, inputs };
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

/** The regions that outputs go to: held until the answer is made, whatever is unregistered meanwhile. */
function leaseOutputs(
  { outputs }: InferHead,
  leases: DisposableStack,
  sharedMemory: () => SharedMemoryRegions,
): ReadonlyMap<string, RegionLease> {
  const shared = new Map<string, RegionLease>();
  for (const [name, wish] of outputs) if (wish.shared !== undefined) shared.set(name, leases.use(sharedMemory().lease(wish.shared)));
  return shared;
}

/** @throws ServingError PERMISSION_DENIED for clients on other machines: they share no memory with this one */
export function sharedMemoryFor(request: HttpRequest, { sharedMemory }: TensorServing): SharedMemoryRegions {
  sharedMemory.checkAllowed();
  if (request.fromLoopback) return sharedMemory;
  throw new ServingError("PERMISSION_DENIED", "shared memory is for clients on this machine: send the data in the request instead");
}
