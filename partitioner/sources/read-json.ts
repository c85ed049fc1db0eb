/** JSON files of a checkpoint. */
import { ServingError } from "../../core/errors.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { parseJsonObject } from "./json-object.ts";

const JSON_BYTES_MAX = 64 * 1024 * 1024;

/** @throws ServingError NOT_FOUND, or DATA_LOSS when the file is no JSON object */
export async function readJsonObject(files: ModelFiles, name: string): Promise<ReadonlyMap<string, unknown>> {
  const bytes = (await files.list()).find((file) => file.name === name)?.bytes;
  if (bytes === undefined) throw new ServingError("NOT_FOUND", `the model has no file '${name}'`);
  if (bytes > JSON_BYTES_MAX) throw new ServingError("DATA_LOSS", `'${name}' has ${bytes} bytes, at most ${JSON_BYTES_MAX}`);
  return parseJsonObject(await files.readRange(name, 0, bytes), `'${name}'`);
}
