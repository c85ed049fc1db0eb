/** JSON objects from files of a checkpoint, as maps that cannot be mistaken for checked values. */
import { ServingError } from "../../core/errors.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";

const JSON_BYTES_MAX = 64 * 1024 * 1024;

/** @throws ServingError NOT_FOUND, or DATA_LOSS when the file is no JSON object */
export async function readJsonObject(files: ModelFiles, name: string): Promise<ReadonlyMap<string, unknown>> {
  const bytes = (await files.list()).find((file) => file.name === name)?.bytes;
  if (bytes === undefined) throw new ServingError("NOT_FOUND", `the model has no file '${name}'`);
  if (bytes > JSON_BYTES_MAX) throw new ServingError("DATA_LOSS", `'${name}' has ${bytes} bytes, at most ${JSON_BYTES_MAX}`);
  return parseJsonObject(await files.readRange(name, 0, bytes), `'${name}'`);
}

/** Pure. @param origin what the bytes are, for messages @throws ServingError DATA_LOSS */
export function parseJsonObject(bytes: Uint8Array, origin: string): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ServingError("DATA_LOSS", `${origin} is no valid JSON`, { cause });
  }
  const fields = objectFields(value);
  if (fields === undefined) throw new ServingError("DATA_LOSS", `${origin} is no JSON object`);
  return fields;
}

/** The fields of an object; undefined for anything else. */
export function objectFields(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : undefined;
}
