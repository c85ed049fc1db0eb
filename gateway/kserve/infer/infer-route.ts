/** `POST …/infer`: from a request's bytes to the serving core and back. */
import { ServingError } from "../../../core/errors.ts";
import type { HttpAnswer, HttpRequest, WholeAnswer } from "../../http/route.ts";
import type { ModelView } from "../../serving/model-catalog.ts";
import { deflate, ENCODINGS, requestEncoding, responseEncoding } from "../content-encoding.ts";
import { tritonError } from "../errors.ts";
import { modelPath } from "../model-path.ts";
import type { RegionLease, SharedMemoryRegions } from "../shared-memory.ts";
import { encodeInferAnswer, type InferAnswer } from "./infer-answer.ts";
import { type InferCall, inferRequest, type ReadingDeps, readCall, sharedMemoryFor } from "./infer-call.ts";
import type { InferHead } from "./infer-head.ts";

/** @throws ServingError with Triton's texts, in its order: the model, the body, what it says, what the core and the model say of it */
export async function infer(deps: ReadingDeps, request: HttpRequest): Promise<HttpAnswer> {
  const { tensors } = deps;
  const { name, version } = modelPath(request);
  const coming = tensors.demand?.ready(name, request.signal);
  if (coming !== undefined) await coming;
  const view = tensors.catalog.view(name, version);
  if (view.decoupled) {
    throw new ServingError("UNIMPLEMENTED", "HTTP end point doesn't support models with decoupled transaction policy");
  }
  const encoding = requestEncoding(request.header("content-encoding"));
  if (encoding === "unknown") return tritonError(501, "Unsupported compression type", { "accept-encoding": ENCODINGS });
  const reading = readCall({ deps, request, view }, encoding);
  const call = reading instanceof Promise ? await reading : reading;
  const answer = wantsShared(call.head)
    ? await answerShared(deps, request, call, view)
    : await answerOf(tensors, request, call, view, NONE_SHARED);
  const wanted = responseEncoding(request.header("accept-encoding"));
  if (wanted === "identity") return { kind: "whole", status: 200, headers: answer.headers, body: answer.body, memory: answer.memory };
  const headers = { ...answer.headers, "content-encoding": wanted };
  return { kind: "whole", status: 200, headers, body: await deflate(wanted, inOneBody(answer.body)) };
}

const NONE_SHARED: ReadonlyMap<string, RegionLease> = new Map();

/** @throws ServingError what `inference` and `encodeInferAnswer` throw */
async function answerOf(
  { inference }: ReadingDeps["tensors"],
  request: HttpRequest,
  call: InferCall,
  view: ModelView,
  shared: ReadonlyMap<string, RegionLease>,
): Promise<InferAnswer & Pick<WholeAnswer, "memory">> {
  const response = await inference.infer(inferRequest(call, request), request.signal);
  const { headers, body } = encodeInferAnswer(response, { head: call.head, view, shared });
  return { headers, body, memory: response.memory };
}

function wantsShared({ outputs }: InferHead): boolean {
  for (const { shared } of outputs.values()) if (shared !== undefined) return true;
  return false;
}

async function answerShared({ tensors }: ReadingDeps, request: HttpRequest, call: InferCall, view: ModelView): ReturnType<typeof answerOf> {
  using leases = new DisposableStack();
  const shared = leaseOutputs(call.head, leases, () => sharedMemoryFor(request, tensors));
  return await answerOf(tensors, request, call, view, shared);
}

const inOneBody = (body: string | readonly Uint8Array[]) => (typeof body === "string" ? body : Buffer.concat(body));

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
