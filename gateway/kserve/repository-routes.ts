/** Routes of the model repository extension: index, load, unload. */
import { ServingError } from "../../core/errors.ts";
import { controls, reads } from "../access/access.ts";
import { emptyAnswer, jsonAnswer } from "../http/answer.ts";
import type { BodyParser, BodyParsers } from "../http/body-parser.ts";
import type { HttpAnswer, HttpRequest, Route } from "../http/route.ts";
import type { LoadOverrides, ModelControl } from "../serving/model-catalog.ts";
import { post } from "./door-route.ts";
import { asFlag, memberOf } from "./json/json-members.ts";
import { optionalJson } from "./json/request-json.ts";
import { parseLoadRequest } from "./load-request.ts";
import { invalid } from "./triton-error.ts";

const loadParser: BodyParser<LoadOverrides> = {
  parse: parseLoadRequest,
  module: new URL("./load-request.ts", import.meta.url),
  name: parseLoadRequest.name,
};

export function repositoryRoutes(control: ModelControl, bodies: BodyParsers): readonly Route[] {
  const access = controls("model-repository");
  const refuseRepository = () => {
    throw new ServingError("UNIMPLEMENTED", "'repository_name' specification is not supported");
  };
  const models = (repository: string, act: string) => `/v2/repository${repository}/models/{model}/${act}`;
  return [
    post("/v2/repository/index", reads("model-repository"), (request) => index(control, request)),
    post("/v2/repository/{repository}/index", reads("model-repository"), (request) => index(control, request)),
    post(models("", "load"), access, async (request) => {
      await control.load(request.param("model"), await bodies.parse(loadParser, request.body), request.signal);
      return emptyAnswer(200);
    }),
    post(models("", "unload"), access, async (request) => {
      await control.unload(request.param("model"), { dependents: unloadsDependents(request) });
      return emptyAnswer(200);
    }),
    post(models("/{repository}", "load"), access, refuseRepository),
    post(models("/{repository}", "unload"), access, refuseRepository),
  ];
}

async function index(control: ModelControl, request: HttpRequest): Promise<HttpAnswer> {
  const ready = memberOf(optionalJson(request) ?? null, "ready") ?? false;
  if (typeof ready !== "boolean") throw invalid("Invalid value for 'ready': expected a boolean");
  const entries = await control.index();
  const rows = entries.filter(({ state }) => !ready || state === "READY");
  return jsonAnswer(
    200,
    rows.map(({ name, version, state, reason }) => ({ name, version, state, reason })),
  );
}

function unloadsDependents(request: HttpRequest): boolean {
  const parameters = memberOf(optionalJson(request) ?? null, "parameters") ?? null;
  const dependents = memberOf(parameters, "unload_dependents");
  return dependents !== undefined && asFlag(dependents, "Unable to parse 'unload_dependents'");
}
