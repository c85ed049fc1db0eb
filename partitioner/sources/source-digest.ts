/** One digest for all the files of a checkpoint. */
import { createHash } from "node:crypto";
import type { ModelFiles } from "../../core/repository/repository.ts";

/** sha256 over lines of "digest name", in the order of `names`; names count from `folder`, so that a moved checkpoint keeps its digest. */
export async function sourceDigest(files: ModelFiles, folder: string, names: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const name of names) hash.update(`${await files.digest(name)} ${name.slice(folder.length)}\n`);
  return hash.digest("hex");
}
