/** The model's text bundle as a file in the cache, beside the shards of its checkpoint. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { serializeTextBundle } from "../../core/model/text-bundle-codec.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { textBundle } from "../text/text-bundle.ts";

/**
 * Made anew each time, since tokenizer files are no part of the checkpoint's digest; written only when it differs.
 *
 * @param folder of everything that comes from the checkpoint
 * @param unique chance, so that several writers work apart
 * @returns the file's path
 */
export async function writeTextFile(files: ModelFiles, versionFolder: string, folder: string, unique: string): Promise<string> {
  const file = path.join(folder, "text.json");
  const bytes = serializeTextBundle(await textBundle(files, versionFolder));
  const present = await readFile(file).catch(() => undefined);
  if (present?.equals(bytes)) return file;
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.${unique}`, bytes);
  await rename(`${file}.${unique}`, file);
  return file;
}
