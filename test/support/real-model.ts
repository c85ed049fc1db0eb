/** Where tests find the real language model, which `npm test` fetches. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

/** The model's folder, with its version folders. @throws Error when it has not been fetched */
export function realModelFolder(): string {
  const { NEREID_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = NEREID_CACHE ?? path.join(XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "nereid");
  const folder = path.join(cache, "models", "smollm2-135m-instruct");
  if (!existsSync(path.join(folder, "1", "model.gguf")))
    throw new Error(`no model in ${folder}: run 'npm test' once, it fetches the model`);
  return folder;
}
