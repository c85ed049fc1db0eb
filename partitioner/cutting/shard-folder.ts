/** Shard folders on disk: they appear whole, under their final name, or not at all. */
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { parseShardDescription, type ShardDescription } from "../../core/model/shard-description.ts";
import { WEIGHTS_FILE } from "../graph/shard-graph.ts";

export const MODEL_FILE = "model.onnx";
export const DESCRIPTION_FILE = "shard.json";

/** The description of a whole shard in `folder`; undefined when there is none, or what is there is damaged. */
export async function readShardFolder(folder: string): Promise<ShardDescription | undefined> {
  try {
    const description = parseShardDescription(await readFile(path.join(folder, DESCRIPTION_FILE), "utf8"));
    const weights = await stat(path.join(folder, WEIGHTS_FILE));
    const model = await stat(path.join(folder, MODEL_FILE));
    return weights.size === description.weightBytes && model.size > 0 ? description : undefined;
  } catch {
    return undefined; // whatever is wrong with a cached shard, cutting it again is the remedy
  }
}

/**
 * Lets `fill` write into a folder beside `folder` and then puts it in place. When another cutter was faster its shard stays, which
 * has the same bytes; a damaged one is replaced.
 *
 * @param unique chance, so that cutters of the same shard work apart
 */
export async function putShardFolder(folder: string, unique: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${folder}.cutting-${unique}`;
  await mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    await putInPlace(temporary, folder, `${folder}.damaged-${unique}`);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function putInPlace(temporary: string, folder: string, aside: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(temporary, folder);
      return;
    } catch (thrown) {
      if (!isOccupied(thrown) || attempt === 3) throw thrown;
    }
    if ((await readShardFolder(folder)) !== undefined) return;
    await rename(folder, aside).catch((thrown: unknown) => {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT")) throw thrown; // another cutter took it away
    });
    await rm(aside, { recursive: true, force: true });
  }
}

const isOccupied = (thrown: unknown): boolean =>
  thrown instanceof Error && "code" in thrown && (thrown.code === "ENOTEMPTY" || thrown.code === "EEXIST" || thrown.code === "ENOTDIR");

/** Removes what killed cutters left in `parent`: working folders that nobody has written to since `beforeMs` (Unix time). */
export async function removeLeftovers(parent: string, beforeMs: number): Promise<void> {
  for (const entry of await readdir(parent, { withFileTypes: true })) {
    if (!entry.isDirectory() || !/\.(cutting|damaged)-[0-9a-f]+$/.test(entry.name)) continue;
    const folder = path.join(parent, entry.name);
    const written = await stat(folder).catch(() => undefined); // its cutter may be done by now
    if (written !== undefined && written.mtimeMs < beforeMs) await rm(folder, { recursive: true, force: true });
  }
}
