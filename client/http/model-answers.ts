/** What servers answer about themselves and their models as JSON, in the client's own words. Pure. */
import { jsonField, jsonList, jsonObject, jsonText } from "../../core/model/json-value.ts";
import { isDtype } from "../../core/tensor/dtype.ts";
import type {
  LogSettings,
  ModelIndexEntry,
  ModelMetadata,
  ServerMetadata,
  SystemRegion,
  TensorMetadata,
  TraceSettings,
} from "../answers.ts";
import { unreadable } from "../client-error.ts";
import { indexEntry } from "../model-config.ts";
import { wholeNumber } from "./counters.ts";
import { shapeOf } from "./infer-answer.ts";

export function readServerMetadata(json: unknown): ServerMetadata {
  return { name: text(json, "name"), version: text(json, "version"), extensions: texts(json, "extensions") };
}

export function readModelMetadata(json: unknown): ModelMetadata {
  return {
    name: text(json, "name"),
    versions: texts(json, "versions"),
    platform: text(json, "platform"),
    inputs: jsonList(json, "inputs").map(tensorMetadata),
    outputs: jsonList(json, "outputs").map(tensorMetadata),
  };
}

export function readRepositoryIndex(json: unknown): readonly ModelIndexEntry[] {
  return asList(json).map((row) =>
    indexEntry(text(row, "name"), jsonText(row, "version"), jsonText(row, "state"), jsonText(row, "reason")),
  );
}

export function readSystemRegions(json: unknown): readonly SystemRegion[] {
  return asList(json).map((row) => ({
    name: text(row, "name"),
    key: text(row, "key"),
    offset: wholeNumber(row, "offset"),
    byteSize: wholeNumber(row, "byte_size"),
  }));
}

/** Levels are a list, all other settings texts. */
export function readTraceSettings(json: unknown): TraceSettings {
  const read = (value: unknown) => (Array.isArray(value) ? value.map(String) : String(value));
  return Object.fromEntries(Object.entries(asObject(json)).map(([name, value]) => [name, read(value)]));
}

export function readLogSettings(json: unknown): LogSettings {
  const settings: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(asObject(json))) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") settings[name] = value;
  }
  return settings;
}

function tensorMetadata(json: unknown): TensorMetadata {
  const dtype = jsonText(json, "datatype");
  if (!isDtype(dtype)) throw unreadable(`a tensor of the datatype ${dtype}`);
  return { name: text(json, "name"), dtype, shape: shapeOf(json) };
}

function text(json: unknown, name: string): string {
  const found = jsonText(json, name);
  if (found === undefined) throw unreadable(`it has no '${name}'`);
  return found;
}

function texts(json: unknown, name: string): string[] {
  return jsonList(json, name).map(String);
}

function asList(json: unknown): readonly unknown[] {
  if (Array.isArray(json)) return json;
  throw unreadable("it is no list");
}

function asObject(json: unknown): object {
  const found = jsonObject({ json }, "json");
  if (found === undefined) throw unreadable("it is no object");
  return found;
}

/** The list of statistics, each still JSON. */
export function statisticsList(json: unknown): readonly unknown[] {
  return asList(jsonField(json, "model_stats"));
}
