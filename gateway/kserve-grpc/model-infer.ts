/** `ModelInfer`: one request, one answer. */
import type { Lease } from "../../core/bytes/lent-memory.ts";
import { ServingError } from "../../core/errors.ts";
import type { GrpcCall, Message } from "../grpc/method.ts";
import type { KserveGrpcDeps } from "./deps.ts";
import { inferCall, modelOf } from "./infer-call.ts";
import { decodeInferRequest } from "./request-decoder.ts";
import { encodeInferResponse } from "./response-encoder.ts";

/** @throws ServingError with Triton's texts, in its order: the model, what the request says, what the core and the model say of it */
export async function modelInfer(deps: KserveGrpcDeps, bytes: Uint8Array, call: GrpcCall, memory?: Lease): Promise<Message> {
  const wire = decodeInferRequest(bytes);
  const coming = deps.tensors.demand?.ready(wire.model, call.signal);
  if (coming !== undefined) await coming;
  const model = modelOf(deps, wire);
  if (model.view.decoupled) {
    throw new ServingError("UNIMPLEMENTED", "ModelInfer RPC doesn't support models with decoupled transaction policy", {
      reason: "decoupled",
    });
  }
  using infer = inferCall(deps, wire, model, call, memory);
  try {
    const response = await deps.tensors.inference.infer(infer.request, call.signal);
    if (response.memory !== undefined) call.lend?.(response.memory);
    return encodeInferResponse(infer.answer(response));
  } catch (thrown) {
    throw infer.failed(thrown);
  }
}
