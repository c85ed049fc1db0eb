/** The model repository extension: index, load, unload. */
import { ServingError } from "../../core/errors.ts";
import { GRPCInferenceService, type ModelRepositoryParameter } from "../../protos/gen/grpc_service_pb.ts";
import { controls, reads } from "../access/access.ts";
import type { GrpcMethod } from "../grpc/method.ts";
import { protobufMethod } from "../grpc/protobuf-method.ts";
import { invalid } from "../kserve/triton-error.ts";
import type { LoadOverrides, ModelControl } from "../serving/model-catalog.ts";

const { method } = GRPCInferenceService;
const FILE_PREFIX = "file:";
/** A load may bring the model's files. */
const LOAD_BYTES_MAX = 64 * 1024 * 1024;

export function repositoryMethods(control: ModelControl): readonly GrpcMethod[] {
  const access = controls("model-repository");
  return [
    protobufMethod(method.repositoryIndex, reads("model-repository"), async ({ ready }) => {
      const entries = await control.index();
      const rows = entries.filter(({ state }) => !ready || state === "READY");
      return { models: rows.map(({ name, version = "", state = "", reason = "" }) => ({ name, version, state, reason })) };
    }),
    protobufMethod(method.repositoryModelLoad, { ...access, requestBytesMax: LOAD_BYTES_MAX }, async (request, { signal }) => {
      refuseRepository(request.repositoryName);
      await control.load(request.modelName, loadOverrides(request.parameters), signal);
      return {};
    }),
    protobufMethod(method.repositoryModelUnload, access, async (request) => {
      refuseRepository(request.repositoryName);
      await control.unload(request.modelName, { dependents: unloadsDependents(request.parameters) });
      return {};
    }),
  ];
}

type Parameters = Readonly<Record<string, ModelRepositoryParameter>>;

function refuseRepository(name: string): void {
  if (name !== "") throw new ServingError("UNIMPLEMENTED", "'repository_name' specification is not supported");
}

/** @throws ServingError INVALID_ARGUMENT with Triton's text */
function loadOverrides(parameters: Parameters): LoadOverrides {
  const files = new Map<string, Uint8Array>();
  let config: string | undefined;
  for (const [key, { parameterChoice: choice }] of Object.entries(parameters)) {
    if (key === "config") {
      if (choice.case !== "stringParam") throw wrongKind(key, "string_param");
      config = choice.value;
    } else if (key.startsWith(FILE_PREFIX)) {
      if (choice.case !== "bytesParam") throw wrongKind(key, "bytes_param");
      files.set(key.slice(FILE_PREFIX.length), choice.value);
    } else {
      throw invalid(`unrecognized load parameter '${key.slice(0, 100)}'.`);
    }
  }
  return { ...(config !== undefined && { config }), files };
}

function wrongKind(key: string, kind: string): ServingError {
  return invalid(`invalid value type for load parameter '${key.slice(0, 100)}', expected ${kind}.`);
}

function unloadsDependents(parameters: Parameters): boolean {
  const choice = parameters["unload_dependents"]?.parameterChoice;
  if (choice === undefined) return false;
  if (choice.case === "boolParam") return choice.value;
  throw invalid("invalid value type for 'unload_dependents' parameter, expected bool_param.");
}
