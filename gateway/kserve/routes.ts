/** The KServe door with Triton's extensions: its routes as data. */
import { ServingError } from "../../core/errors.ts";
import { languageConfig } from "../../core/model/language-signature.ts";
import { INFERS, isPublic, reads } from "../access/access.ts";
import { emptyAnswer, jsonAnswer } from "../http/answer.ts";
import type { HttpAnswer, HttpRequest, Route } from "../http/route.ts";
import { get, ofModel, post } from "./door-route.ts";
import { tritonError } from "./errors.ts";
import { generate, generateStream, isLanguageModel } from "./generate/generate-route.ts";
import type { LanguageDeps } from "./generate/language-generate.ts";
import { inferEvents, wantsEvents } from "./infer/infer-events.ts";
import { infer } from "./infer/infer-route.ts";
import { KnownHeads } from "./infer/known-heads.ts";
import { languageMetadata, modelMetadata, type ServerIdentity, serverMetadata } from "./metadata.ts";
import { availableVersions, isModelReady } from "./model-lookup.ts";
import { type ModelPath, modelPath } from "./model-path.ts";
import { repositoryRoutes } from "./repository-routes.ts";
import { settingsRoutes } from "./settings-routes.ts";
import { sharedMemoryRoutes } from "./shared-memory-routes.ts";
import { statisticsText } from "./statistics-answer.ts";
import { noTensorServing, type TensorServing } from "./tensor-serving.ts";

export interface KserveDeps extends LanguageDeps {
  readonly identity: ServerIdentity;
  /** undefined: language models only. */
  readonly tensors?: TensorServing;
}

/** A model that both the directory and the catalog know is a language model. */
export function kserveRoutes(given: KserveDeps): readonly Route[] {
  const deps = { ...given, tensors: given.tensors ?? noTensorServing(given.models), heads: new KnownHeads() };
  const { tensors } = deps;
  const isReady = (path: ModelPath) => isAnyReady(deps, path);
  return [
    get("/v2", reads("metadata"), () => jsonAnswer(200, serverMetadata(deps.identity))),
    get("/v2/health/live", isPublic("health"), ({ stopping }) => health(stopping, true)),
    get("/v2/health/ready", isPublic("health"), ({ stopping }) => health(stopping, tensors.catalog.allReady())),
    get("/v2/models/stats", reads("statistics"), async ({ signal }) =>
      statistics(await tensors.statistics.statistics(undefined, undefined, signal)),
    ),
    ...ofModel("", (path) => get(path, reads("metadata"), (request) => metadata(deps, request))),
    ...ofModel("/config", (path) => get(path, reads("model-config"), (request) => config(deps, request))),
    ...ofModel("/ready", (path) =>
      get(path, reads("health"), (request) =>
        isReady(modelPath(request)) ? emptyAnswer(200) : tritonError(400, "Model version not ready"),
      ),
    ),
    ...ofModel("/stats", (path) =>
      get(path, reads("statistics"), async (request) => {
        const { name, version } = modelPath(request);
        return statistics(await tensors.statistics.statistics(name, version, request.signal));
      }),
    ),
    ...ofModel("/infer", (path) => post(path, INFERS, (request) => inferModel(deps, request))),
    ...ofModel("/generate", (path) => post(path, INFERS, (request) => generate(deps, request))),
    ...ofModel("/generate_stream", (path) => post(path, INFERS, (request) => generateStream(deps, request))),
    ...repositoryRoutes(tensors.control, deps.bodies),
    ...settingsRoutes(tensors, (name) => isReady({ name, version: undefined })),
    ...sharedMemoryRoutes(tensors),
  ];
}

type Deps = KserveDeps & { readonly tensors: TensorServing; readonly heads: KnownHeads };

function health(stopping: boolean, well: boolean): HttpAnswer {
  return stopping ? tritonError(503, "Server exiting") : emptyAnswer(well ? 200 : 400);
}

function jsonText(body: string): HttpAnswer {
  return { kind: "whole", status: 200, headers: { "content-type": "application/json" }, body };
}

function statistics(models: Parameters<typeof statisticsText>[0]): HttpAnswer {
  return jsonText(statisticsText(models));
}

function isAnyReady(deps: Deps, { name, version }: ModelPath): boolean {
  if (!isLanguageModel(deps, name)) return deps.tensors.catalog.isReady(name, version);
  return isModelReady(deps.models.list(), name, version);
}

function metadata(deps: Deps, request: HttpRequest): HttpAnswer {
  const { name, version } = modelPath(request);
  if (isLanguageModel(deps, name)) return jsonAnswer(200, languageMetadata(name, availableVersions(deps.models.list(), name, version)));
  return jsonAnswer(200, modelMetadata(deps.tensors.catalog.view(name, version), version));
}

function config(deps: Deps, request: HttpRequest): HttpAnswer {
  const { name, version } = modelPath(request);
  if (!isLanguageModel(deps, name)) return jsonText(deps.tensors.catalog.view(name, version).configJson);
  availableVersions(deps.models.list(), name, version);
  return jsonAnswer(200, languageConfig(name));
}

/** Language models answer with as many responses as they have tokens, as a decoupled model does. */
function inferModel(deps: Deps, request: HttpRequest): HttpAnswer | Promise<HttpAnswer> {
  const { name, version } = modelPath(request);
  if (wantsEvents(request)) return inferEvents(deps, request);
  if (!isLanguageModel(deps, name)) return infer(deps, request);
  availableVersions(deps.models.list(), name, version);
  throw new ServingError("UNIMPLEMENTED", "HTTP end point doesn't support models with decoupled transaction policy");
}
