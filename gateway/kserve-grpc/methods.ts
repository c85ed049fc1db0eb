/** The KServe door over gRPC with Triton's extensions: its methods as data. */
import { file_grpc_service, GRPCInferenceService } from "../../protos/gen/grpc_service_pb.ts";
import { file_health } from "../../protos/gen/health_pb.ts";
import { INFERS } from "../access/access.ts";
import type { GrpcMethod } from "../grpc/method.ts";
import { reflectionMethods } from "../grpc/reflection.ts";
import type { KserveGrpcDeps } from "./deps.ts";
import { modelInfer } from "./model-infer.ts";
import { repositoryMethods } from "./repository-methods.ts";
import { serverMethods } from "./server-methods.ts";
import { settingsMethods } from "./settings-methods.ts";
import { sharedMemoryMethods } from "./shared-memory-methods.ts";
import { modelStreamInfer } from "./stream-infer.ts";

const service = GRPCInferenceService.typeName;

/** `inference.GRPCInferenceService`, `grpc.health.v1.Health` and server reflection. */
export function kserveGrpcMethods(deps: KserveGrpcDeps): readonly GrpcMethod[] {
  return [
    { kind: "unary", service, method: "ModelInfer", ...INFERS, handle: (...request) => modelInfer(deps, ...request) },
    {
      kind: "streaming",
      service,
      method: "ModelStreamInfer",
      ...INFERS,
      handle: (requests, call) => modelStreamInfer(deps, requests, call),
    },
    ...serverMethods(deps),
    ...repositoryMethods(deps.tensors.control),
    ...sharedMemoryMethods(deps),
    ...settingsMethods(deps),
    ...reflectionMethods([file_grpc_service, file_health]),
  ];
}
