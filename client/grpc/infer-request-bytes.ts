/** An inference as the bytes of its gRPC message, for those that send the same one many times. Pure. */
import { create, toBinary } from "@bufbuild/protobuf";
import { ModelInferRequestSchema } from "../../protos/gen/grpc_service_pb.ts";
import type { InferRequest } from "../infer-request.ts";
import { inferMessage } from "./infer-messages.ts";

/** @throws ClientError INVALID_ARGUMENT for parameters with reserved names */
export function inferRequestBytes(request: InferRequest): Uint8Array {
  return toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, inferMessage(request, { emptyFinal: false })));
}
