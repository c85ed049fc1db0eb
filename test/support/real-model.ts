/** Where tests find the real language model, which `npm test` fetches. */
import { existsSync } from "node:fs";
import path from "node:path";
import { testCache } from "./cache-root.ts";

/** The model's folder, with its version folders. @throws Error when it has not been fetched */
export function realModelFolder(): string {
  const folder = path.join(testCache().models, "smollm2-135m-instruct");
  if (!existsSync(path.join(folder, "1", "model.gguf")))
    throw new Error(`no model in ${folder}: run 'npm test' once, it fetches the model`);
  return folder;
}
