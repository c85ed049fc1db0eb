/** A file of input data as Perf Analyzer reads it: `{"data": [{"INPUT": [1, 2]}, …]}`. Pure. */
import { ServingError } from "../core/errors.ts";
import { jsonField, jsonList, jsonText } from "../core/model/json-value.ts";
import type { GivenData, GivenInputs } from "./inputs.ts";

/** The steps of a load, as they stand in the file: a list of them, or a list for each sequence. */
function streams(text: string): readonly (readonly unknown[])[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ServingError("INVALID_ARGUMENT", "the input data is no JSON", { cause });
  }
  const found = jsonList(json, "data");
  const lists = found.every(Array.isArray) ? found.filter((list) => list.length > 0) : [found];
  if (lists.length > 0 && found.length > 0) return lists;
  throw new ServingError("INVALID_ARGUMENT", 'the input data has no {"data": [{"INPUT": [1, 2]}, …]}');
}

/** @returns the steps of each sequence; of models without sequences they are one list @throws ServingError INVALID_ARGUMENT */
export function readInputFile(text: string): readonly (readonly GivenInputs[])[] {
  return streams(text).map((steps) => steps.map(givenInputs));
}

function givenInputs(step: unknown): GivenInputs {
  if (typeof step !== "object" || step === null) throw new ServingError("INVALID_ARGUMENT", "each step of the input data is an object");
  return new Map(Object.entries(step).map(([name, value]) => [name, givenData(name, value)]));
}

/** Bodies for language models: `{"data": [{"payload": [{…}]}]}`. @throws ServingError INVALID_ARGUMENT */
export function readPayloads(text: string): readonly object[] {
  return streams(text)
    .flat()
    .map((step) => {
      const [payload] = jsonList(step, "payload");
      if (typeof payload === "object" && payload !== null) return payload;
      throw new ServingError("INVALID_ARGUMENT", 'each step of the input data for this kind of service is {"payload": [{…}]}');
    });
}

function givenData(name: string, value: unknown): GivenData {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return values([value], undefined);
  if (Array.isArray(value)) return values(value, undefined);
  const encoded = jsonText(value, "b64");
  const shape = shapeOf(value);
  if (encoded !== undefined) return { shape, content: { kind: "bytes", bytes: Buffer.from(encoded, "base64") } };
  const content = jsonField(value, "content");
  if (typeof content === "object" && content !== null && "b64" in content) return { ...givenData(name, content), shape };
  if (Array.isArray(content)) return values(content, shape);
  throw new ServingError("INVALID_ARGUMENT", `input '${name}': the data is a list, {"content": […], "shape": […]} or {"b64": "…"}`);
}

function shapeOf(value: unknown): readonly number[] | undefined {
  const shape = jsonList(value, "shape").map(Number);
  return shape.length === 0 ? undefined : shape;
}

const values = (list: readonly unknown[], shape: GivenData["shape"]): GivenData => ({ shape, content: { kind: "values", values: list } });
