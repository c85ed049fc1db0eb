/** The shared-memory extensions. There is no GPU here, so CUDA regions are refused as Triton refuses them without one. */
import { ServingError } from "../../core/errors.ts";
import { GRPCInferenceService } from "../../protos/gen/grpc_service_pb.ts";
import { controls, reads } from "../access/access.ts";
import type { GrpcMethod } from "../grpc/method.ts";
import { protobufMethod } from "../grpc/protobuf-method.ts";
import { invalid } from "../kserve/triton-error.ts";
import type { KserveGrpcDeps } from "./deps.ts";
import { sharedMemoryFor } from "./infer-call.ts";

const { method } = GRPCInferenceService;

export function sharedMemoryMethods(deps: KserveGrpcDeps): readonly GrpcMethod[] {
  const read = reads("shared-memory");
  const control = controls("shared-memory");
  return [
    protobufMethod(method.systemSharedMemoryStatus, read, ({ name }) => {
      const regions = deps.tensors.sharedMemory.status(name === "" ? undefined : name);
      const entries = regions.map(({ name: region, key, offset, byteSize }) => {
        return [region, { name: region, key, offset: BigInt(offset), byteSize: BigInt(byteSize) }] as const;
      });
      return { regions: Object.fromEntries(entries) };
    }),
    protobufMethod(method.systemSharedMemoryRegister, control, ({ name, key, offset, byteSize }, call) => {
      sharedMemoryFor(call, deps).register({ name, key, offset: Number(offset), byteSize: Number(byteSize) });
      return {};
    }),
    protobufMethod(method.systemSharedMemoryUnregister, control, ({ name }, call) => {
      sharedMemoryFor(call, deps).unregister(name === "" ? undefined : name);
      return {};
    }),
    protobufMethod(method.cudaSharedMemoryStatus, read, ({ name }) => {
      if (name === "") return {};
      throw new ServingError("NOT_FOUND", `Unable to find cuda shared memory region: '${name}'`);
    }),
    protobufMethod(method.cudaSharedMemoryRegister, control, ({ name }, call) => {
      sharedMemoryFor(call, deps);
      throw invalid(`failed to register CUDA shared memory region: '${name}', GPUs not supported`);
    }),
    protobufMethod(method.cudaSharedMemoryUnregister, control, (_, call) => {
      sharedMemoryFor(call, deps);
      return {};
    }),
  ];
}
