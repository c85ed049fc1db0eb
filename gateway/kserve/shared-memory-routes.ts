/** Routes of the shared-memory extensions. There is no GPU here, so CUDA regions are refused as Triton refuses them without one. */
import { ServingError } from "../../core/errors.ts";
import { controls, reads } from "../access/access.ts";
import { emptyAnswer, jsonAnswer } from "../http/answer.ts";
import type { HttpAnswer, HttpRequest, Route } from "../http/route.ts";
import { get, post } from "./door-route.ts";
import { sharedMemoryFor } from "./infer/infer-call.ts";
import { asCount, asText, memberOf } from "./json/json-members.ts";
import type { JsonValue } from "./json/json-value.ts";
import { requestJson } from "./json/request-json.ts";
import type { TensorServing } from "./tensor-serving.ts";
import { invalid } from "./triton-error.ts";

export function sharedMemoryRoutes(tensors: TensorServing): readonly Route[] {
  return [
    ...onRegions("/v2/systemsharedmemory", {
      status: (_, region) => {
        const regions = tensors.sharedMemory.status(region);
        return jsonAnswer(
          200,
          regions.map(({ name, key, offset, byteSize }) => ({ name, key, offset, byte_size: byteSize })),
        );
      },
      register: (request, region) => register(request, region, tensors),
      unregister: (request, region) => {
        sharedMemoryFor(request, tensors).unregister(region);
        return emptyAnswer(200);
      },
    }),
    ...onRegions("/v2/cudasharedmemory", {
      status: (_, region) => {
        if (region === undefined) return jsonAnswer(200, []);
        throw new ServingError("NOT_FOUND", `Unable to find cuda shared memory region: '${region}'`);
      },
      register: (request, region) => {
        sharedMemoryFor(request, tensors);
        if (region === undefined) throw invalid("'region name' is necessary to register cuda shared memory region");
        throw invalid(`failed to register CUDA shared memory region: '${region}', GPUs not supported`);
      },
      unregister: (request) => {
        sharedMemoryFor(request, tensors);
        return emptyAnswer(200);
      },
    }),
  ];
}

/** @param region undefined: none named */
type RegionHandler = (request: HttpRequest, region: string | undefined) => HttpAnswer;

/** Each with and without a region in the path. */
function onRegions(root: string, handlers: Readonly<Record<"status" | "register" | "unregister", RegionHandler>>): readonly Route[] {
  const named = (handle: RegionHandler) => (request: HttpRequest) => {
    const region = request.param("region");
    return handle(request, region === "" ? undefined : region);
  };
  return [root, `${root}/region/{region}`].flatMap((path) => [
    get(`${path}/status`, reads("shared-memory"), named(handlers.status)),
    post(`${path}/register`, controls("shared-memory"), named(handlers.register)),
    post(`${path}/unregister`, controls("shared-memory"), named(handlers.unregister)),
  ]);
}

function register(request: HttpRequest, name: string | undefined, tensors: TensorServing): HttpAnswer {
  const regions = sharedMemoryFor(request, tensors);
  if (name === undefined) throw invalid("'region name' is necessary to register system shared memory region");
  const json = requestJson(request);
  const key = asText(requiredField(json, "key"), undefined);
  const offset = asCount(memberOf(json, "offset") ?? 0, undefined);
  regions.register({ name, key, offset, byteSize: asCount(requiredField(json, "byte_size"), undefined) });
  return emptyAnswer(200);
}

function requiredField(json: JsonValue, name: string): JsonValue {
  const value = memberOf(json, name);
  if (value === undefined) throw invalid(`Shared memory register request has no '${name}' field`);
  return value;
}
