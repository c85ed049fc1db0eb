/** The trace and logging extensions. */
import { ServingError } from "../../core/errors.ts";
import {
  GRPCInferenceService,
  type LogSettingsRequest_SettingValue,
  type TraceSettingRequest_SettingValue,
} from "../../protos/gen/grpc_service_pb.ts";
import { controls } from "../access/access.ts";
import type { GrpcMethod } from "../grpc/method.ts";
import { protobufMethod } from "../grpc/protobuf-method.ts";
import type { LogChange, LogView } from "../kserve/log-settings.ts";
import { type TraceChange, traceFields } from "../kserve/trace-settings.ts";
import { invalid } from "../kserve/triton-error.ts";
import type { KserveGrpcDeps } from "./deps.ts";
import { isReady } from "./models.ts";

const { method } = GRPCInferenceService;

/** A call without settings reads them. */
export function settingsMethods(deps: KserveGrpcDeps): readonly GrpcMethod[] {
  const { trace, log } = deps.tensors;
  return [
    protobufMethod(method.traceSetting, controls("trace"), ({ modelName, settings }) => {
      if (modelName !== "" && !isReady(deps, modelName, undefined)) throw invalid(`Request for unknown model : ${modelName}`);
      const model = modelName === "" ? undefined : modelName;
      if (Object.keys(settings).length > 0) trace.update(model, traceChange(settings));
      const entries = Object.entries(traceFields(trace.view(model)));
      return {
        settings: Object.fromEntries(entries.map(([name, value]) => [name, { value: typeof value === "string" ? [value] : [...value] }])),
      };
    }),
    protobufMethod(method.logSettings, controls("logging"), ({ settings }) => {
      if (Object.keys(settings).length > 0) log.update(logChange(settings));
      return { settings: logMessage(log.view()) };
    }),
  ];
}

const TRACE_NUMBERS = { rate: "trace_rate", count: "trace_count", logFrequency: "log_frequency" } as const;

/** A setting without values goes back to what it was. @throws ServingError UNIMPLEMENTED for the file, INVALID_ARGUMENT */
function traceChange(settings: Readonly<Record<string, TraceSettingRequest_SettingValue>>): TraceChange {
  if (settings["trace_file"] !== undefined) {
    throw new ServingError("UNIMPLEMENTED", "trace file location can not be updated through network protocol");
  }
  const change: { -readonly [K in keyof TraceChange]: TraceChange[K] } = {};
  const cleared: Exclude<TraceChange["cleared"], undefined>[number][] = [];
  const levels = settings["trace_level"]?.value;
  if (levels?.length === 0) cleared.push("levels");
  else if (levels !== undefined) change.levels = levels;
  for (const key of ["rate", "count", "logFrequency"] as const) {
    const name = TRACE_NUMBERS[key];
    const values = settings[name]?.value;
    if (values === undefined) continue;
    const [value] = values;
    if (value === undefined) cleared.push(key);
    else if (values.length > 1) throw invalid(`expect only 1 value for '${name}'`);
    else change[key] = value;
  }
  return { ...change, cleared };
}

type LogValue = LogSettingsRequest_SettingValue["parameterChoice"];

/** @throws ServingError INVALID_ARGUMENT for a value of the wrong kind */
function logChange(settings: Readonly<Record<string, LogSettingsRequest_SettingValue>>): LogChange {
  const change: { -readonly [K in keyof LogChange]: LogChange[K] } = {};
  const given = (name: string): LogValue => settings[name]?.parameterChoice ?? { case: undefined };
  for (const name of ["log_file", "log_format"] as const) {
    const choice = given(name);
    if (choice.case === "stringParam") change[name] = choice.value;
    else if (choice.case !== undefined) throw wrongKind(name, "string_param");
  }
  for (const name of ["log_info", "log_warning", "log_error"] as const) {
    const choice = given(name);
    if (choice.case === "boolParam") change[name] = choice.value;
    else if (choice.case !== undefined) throw wrongKind(name, "bool_param");
  }
  const verbose = given("log_verbose_level");
  if (verbose.case === "uint32Param") change.log_verbose_level = verbose.value;
  else if (verbose.case !== undefined) throw wrongKind("log_verbose_level", "uint32_param");
  return change;
}

function wrongKind(name: string, kind: string): ServingError {
  return invalid(`invalid value type for log setting '${name}', expected ${kind}.`);
}

function logMessage({ log_verbose_level, log_info, log_warning, log_error, log_file, log_format }: LogView) {
  const flag = (value: boolean) => ({ parameterChoice: { case: "boolParam", value } }) as const;
  const text = (value: string) => ({ parameterChoice: { case: "stringParam", value } }) as const;
  return {
    log_file: text(log_file),
    log_info: flag(log_info),
    log_warning: flag(log_warning),
    log_error: flag(log_error),
    log_verbose_level: { parameterChoice: { case: "uint32Param", value: log_verbose_level } },
    log_format: text(log_format),
  } as const;
}
