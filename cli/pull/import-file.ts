/** Puts a GGUF file of this machine into the repository under a name: as a hard link where that works, else as a copy. */
import { constants } from "node:fs";
import { copyFile, link, mkdir, mkdtemp, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ServingError } from "../../core/errors.ts";
import { modelName } from "../../core/ids.ts";
import { type CacheFolders, modelFile } from "../cache.ts";
import { catalogModel } from "./catalog.ts";
import { fileDigest } from "./verified-file.ts";

const GGUF_MAGIC = "GGUF";

/**
 * @returns where the file lies now
 * @throws ServingError INVALID_ARGUMENT when the file is no GGUF file or the name is not allowed, DATA_LOSS when a known model's
 * name is taken for another file, ALREADY_EXISTS when another file has the name
 */
export async function importFile(file: string, name: string, folders: CacheFolders, signal: AbortSignal): Promise<string> {
  const path = modelFile(folders, modelName(name));
  await checkMagic(file);
  const digest = await fileDigest(file, signal);
  const known = catalogModel(name);
  if (known !== undefined && known.sha256 !== digest) {
    throw new ServingError("DATA_LOSS", `${file} is not ${name}: its sha256 is ${digest}, expected ${known.sha256}; choose another --name`);
  }
  if ((await stat(path).catch(() => undefined)) !== undefined) {
    if ((await fileDigest(path, signal)) === digest) return path;
    if (known === undefined) {
      throw new ServingError(
        "ALREADY_EXISTS",
        `there is another model ${name}: remove ${dirname(dirname(path))}, or choose another --name`,
      );
    }
  }
  await mkdir(folders.unfinished, { recursive: true });
  await mkdir(dirname(path), { recursive: true });
  const work = await mkdtemp(join(folders.unfinished, `${name}-`));
  try {
    const draft = join(work, "model.gguf");
    await link(file, draft).catch(() => copyFile(file, draft, constants.COPYFILE_FICLONE));
    await rename(draft, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return path;
}

async function checkMagic(file: string): Promise<void> {
  await using opened = await open(file).catch((cause) => {
    throw new ServingError("NOT_FOUND", `${file} cannot be read: give the path of a .gguf file`, { cause });
  });
  const { buffer, bytesRead } = await opened.read(Buffer.alloc(4), 0, 4, 0).catch(() => ({ buffer: Buffer.alloc(0), bytesRead: 0 }));
  if (bytesRead !== 4 || buffer.toString("latin1") !== GGUF_MAGIC) {
    throw new ServingError("INVALID_ARGUMENT", `${file} is no GGUF file: it does not begin with ${GGUF_MAGIC}`);
  }
}
