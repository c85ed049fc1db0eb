/** What the server and its models say of themselves: liveness, readiness, metadata, configuration, statistics, health. */
import { parseModelConfigJson } from "../../core/model/config/text/parse-json.ts";
import { GRPCInferenceService } from "../../protos/gen/grpc_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../protos/gen/health_pb.ts";
import { isPublic, reads } from "../access/access.ts";
import type { GrpcMethod } from "../grpc/method.ts";
import { protobufMethod } from "../grpc/protobuf-method.ts";
import { modelMetadata, serverMetadata } from "../kserve/metadata.ts";
import type { KserveGrpcDeps } from "./deps.ts";
import { findModel, isReady, parseVersion } from "./models.ts";
import { statisticsMessage } from "./statistics-message.ts";

const { method } = GRPCInferenceService;

export function serverMethods(deps: KserveGrpcDeps): readonly GrpcMethod[] {
  const open = isPublic("health");
  const metadata = reads("metadata");
  return [
    protobufMethod(method.serverLive, open, () => ({ live: true })),
    protobufMethod(method.serverReady, open, () => ({ ready: deps.tensors.catalog.allReady() })),
    protobufMethod(method.modelReady, reads("health"), ({ name, version }) => ({ ready: isReady(deps, name, parseVersion(version)) })),
    protobufMethod(method.serverMetadata, metadata, () => {
      const { name, version, extensions } = serverMetadata(deps.identity);
      return { name, version, extensions: [...extensions] };
    }),
    protobufMethod(method.modelMetadata, metadata, ({ name, version: asked }) => {
      const version = parseVersion(asked);
      const { versions, inputs, outputs, ...rest } = modelMetadata(findModel(deps, name, version).view, version);
      return { ...rest, versions: [...versions], inputs: inputs.map(tensorMetadata), outputs: outputs.map(tensorMetadata) };
    }),
    protobufMethod(method.modelConfig, reads("model-config"), ({ name, version }) => ({
      config: parseModelConfigJson(findModel(deps, name, parseVersion(version)).view.configJson),
    })),
    protobufMethod(method.modelStatistics, reads("statistics"), async ({ name, version }, { signal }) => {
      const statistics = await deps.tensors.statistics.statistics(name === "" ? undefined : name, parseVersion(version), signal);
      return { modelStats: statistics.map(statisticsMessage) };
    }),
    // For any service's name; Watch is unimplemented, as in Triton.
    protobufMethod(Health.method.check, open, () => ({ status: deps.tensors.catalog.allReady() ? Status.SERVING : Status.NOT_SERVING })),
  ];
}

interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

function tensorMetadata({ name, datatype, shape }: TensorMetadata) {
  return { name, datatype, shape: shape.map(BigInt) };
}
