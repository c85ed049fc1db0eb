/** Routes of the trace and logging extensions. */
import { ServingError } from "../../core/errors.ts";
import { controls, reads } from "../access/access.ts";
import { jsonAnswer } from "../http/answer.ts";
import type { HttpRequest, Route } from "../http/route.ts";
import { get, post } from "./door-route.ts";
import { asArray, asCount, asFlag, asText, memberOf } from "./json/json-members.ts";
import type { JsonValue } from "./json/json-value.ts";
import { requestJson } from "./json/request-json.ts";
import type { LogChange } from "./log-settings.ts";
import type { TensorServing } from "./tensor-serving.ts";
import { type TraceChange, traceFields } from "./trace-settings.ts";
import { invalid } from "./triton-error.ts";

/** @param isReady whether there is such a model: settings of others are refused */
export function settingsRoutes({ trace, log }: TensorServing, isReady: (model: string) => boolean): readonly Route[] {
  const modelOf = (request: HttpRequest) => {
    const model = request.param("model");
    if (model !== "" && !isReady(model)) throw invalid(`Request for unknown model : ${model}`);
    return model === "" ? undefined : model;
  };
  return [
    ...["/v2/trace/setting", "/v2/models/{model}/trace/setting"].flatMap((path) => [
      get(path, reads("trace"), (request) => jsonAnswer(200, traceFields(trace.view(modelOf(request))))),
      post(path, controls("trace"), (request) => {
        const model = modelOf(request);
        trace.update(model, traceChange(requestJson(request)));
        return jsonAnswer(200, traceFields(trace.view(model)));
      }),
    ]),
    get("/v2/logging", reads("logging"), () => jsonAnswer(200, log.view())),
    post("/v2/logging", controls("logging"), (request) => {
      log.update(logChange(requestJson(request)));
      return jsonAnswer(200, log.view());
    }),
  ];
}

const NUMBER_NAMES = { rate: "trace_rate", count: "trace_count", logFrequency: "log_frequency" } as const;

/** null takes a setting back. @throws ServingError INTERNAL for wrong types, UNIMPLEMENTED for the file */
function traceChange(json: JsonValue): TraceChange {
  if (memberOf(json, "trace_file") !== undefined) {
    throw new ServingError("UNIMPLEMENTED", "trace file location can not be updated through network protocol");
  }
  const change: { -readonly [K in keyof TraceChange]: TraceChange[K] } = {};
  const cleared: Exclude<TraceChange["cleared"], undefined>[number][] = [];
  const levels = memberOf(json, "trace_level");
  if (levels === null) cleared.push("levels");
  else if (levels !== undefined) change.levels = asArray(levels, undefined).map((level) => asText(level, undefined));
  for (const key of ["rate", "count", "logFrequency"] as const) {
    const value = memberOf(json, NUMBER_NAMES[key]);
    if (value === null) cleared.push(key);
    else if (value !== undefined) change[key] = asText(value, undefined);
  }
  return { ...change, cleared };
}

/** null leaves a setting as it is. @throws ServingError INTERNAL for wrong types */
function logChange(json: JsonValue): LogChange {
  const change: { -readonly [K in keyof LogChange]: LogChange[K] } = {};
  const given = (name: string) => memberOf(json, name) ?? undefined;
  for (const name of ["log_file", "log_format"] as const) {
    const value = given(name);
    if (value !== undefined) change[name] = asText(value, undefined);
  }
  for (const name of ["log_info", "log_warning", "log_error"] as const) {
    const value = given(name);
    if (value !== undefined) change[name] = asFlag(value, undefined);
  }
  const verbose = given("log_verbose_level");
  if (verbose !== undefined) change.log_verbose_level = asCount(verbose, undefined);
  return change;
}
