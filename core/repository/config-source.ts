/** Which configuration holds for a model: the load call's, its folder's file, or none. */
import { ServingError } from "../errors.ts";
import type { ConfigSource } from "../model/config/prepare.ts";
import type { FileInfo, ModelFiles } from "./repository.ts";

const CONFIG_FILE = "config.pbtxt";
const CONFIG_BYTES_MAX = 1024 * 1024;

/** @param override a configuration as JSON; empty: none. @throws ServingError INVALID_ARGUMENT when the file is too large. */
export async function configSource(files: ModelFiles, list: readonly FileInfo[], override: string): Promise<ConfigSource> {
  if (override !== "") return { kind: "override", json: override };
  const file = list.find(({ name }) => name === CONFIG_FILE);
  if (file === undefined) return { kind: "none" };
  if (file.bytes > CONFIG_BYTES_MAX)
    throw new ServingError("INVALID_ARGUMENT", `${CONFIG_FILE} has ${file.bytes} bytes, at most ${CONFIG_BYTES_MAX} are read`);
  return { kind: "file", name: CONFIG_FILE, text: new TextDecoder().decode(await files.readRange(CONFIG_FILE, 0, file.bytes)) };
}
