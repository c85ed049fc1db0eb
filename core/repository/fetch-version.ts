/**
 * Brings the files of one version of a model from another node to this machine's disk, for runtimes that open paths. What is here
 * already with the same content is not fetched again; a version appears whole, or not at all.
 */
import { createHash } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { untilAborted } from "../abort.ts";
import { ServingError } from "../errors.ts";
import { FILE_PIECE_BYTES } from "../messages/model-files.ts";
import type { Random } from "../random.ts";
import type { FileInfo, ModelFiles } from "./repository.ts";

export interface FetchOptions {
  /** Where the version is to be. */
  readonly folder: string;
  readonly random: Random;
  /** Called with the share that is here, in [0, 1]. */
  readonly onProgress: (share: number) => void;
  readonly signal: AbortSignal;
}

interface WantedFile extends FileInfo {
  readonly digest: string;
}

export interface WantedVersion {
  /** The same for the same content. */
  readonly name: string;
  readonly bytes: number;
  readonly files: readonly WantedFile[];
}

/** @throws ServingError NOT_FOUND when the model has no such version, and what `files` throws */
export async function wantedVersion(files: ModelFiles, version: string): Promise<WantedVersion> {
  const list = (await files.list()).filter(({ name }) => name.startsWith(`${version}/`));
  if (list.length === 0) throw new ServingError("NOT_FOUND", `the model has no version ${version}`);
  const wanted: WantedFile[] = [];
  for (const file of list) wanted.push({ ...file, digest: await files.digest(file.name) });
  const hash = createHash("sha256");
  for (const { name, digest } of wanted) hash.update(`${digest} ${name}\n`);
  return { name: hash.digest("hex").slice(0, 32), bytes: wanted.reduce((sum, { bytes }) => sum + bytes, 0), files: wanted };
}

/**
 * Afterwards the folder has `<version>/…` in it.
 * @throws ServingError DATA_LOSS when what came has not the digest that its node says, RESOURCE_EXHAUSTED when the disk is full; the
 * signal's reason
 */
export async function fetchVersion(files: ModelFiles, { files: wanted, bytes }: WantedVersion, options: FetchOptions): Promise<void> {
  const { folder, random } = options;
  if (await isWhole(folder, wanted)) return;
  const unfinished = `${folder}.fetching-${random.id()}`;
  try {
    await fetchAll(files, { wanted, bytes, unfinished }, options);
    if (await isWhole(folder, wanted)) return; // somebody else was faster
    await rm(folder, { recursive: true, force: true }); // damaged, if it is there
    await rename(unfinished, folder);
  } catch (thrown) {
    throw isFull(thrown)
      ? new ServingError("RESOURCE_EXHAUSTED", `the disk of '${folder}' is full: delete old models there, or choose another cache`, {
          cause: thrown,
        })
      : thrown;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function isWhole(folder: string, wanted: readonly WantedFile[]): Promise<boolean> {
  for (const { name, bytes } of wanted) {
    const found = await stat(path.join(folder, name)).catch(() => undefined);
    if (found?.isFile() !== true || found.size !== bytes) return false;
  }
  return true;
}

async function fetchAll(
  files: ModelFiles,
  { wanted, bytes: all, unfinished }: { readonly wanted: readonly WantedFile[]; readonly bytes: number; readonly unfinished: string },
  { onProgress, signal }: FetchOptions,
): Promise<void> {
  let fetched = 0;
  const onBytes = (bytes: number) => {
    fetched += bytes;
    onProgress(fetched / all);
  };
  for (const file of wanted) await fetchFile(files, file, placeIn(unfinished, file.name), { onBytes, signal });
}

/** @throws ServingError DATA_LOSS when a node names a file that would lie elsewhere */
function placeIn(folder: string, name: string): string {
  const file = path.join(folder, name);
  if (path.relative(folder, file) === name && !name.startsWith("..")) return file;
  throw new ServingError("DATA_LOSS", `a node names a file ${JSON.stringify(name.slice(0, 80))}, which leads out of its model's folder`);
}

/** The next piece is on its way while one is written. */
async function fetchFile(
  files: ModelFiles,
  { name, bytes, digest }: WantedFile,
  place: string,
  { onBytes, signal }: { readonly onBytes: (bytes: number) => void; readonly signal: AbortSignal },
): Promise<void> {
  await mkdir(path.dirname(place), { recursive: true });
  await using file = await open(place, "wx");
  const hash = createHash("sha256");
  const read = (offset: number) => untilAborted(files.readRange(name, offset, Math.min(FILE_PIECE_BYTES, bytes - offset)), signal);
  let next = read(0);
  for (let offset = 0; offset < bytes; offset += FILE_PIECE_BYTES) {
    const piece = await next;
    if (offset + piece.byteLength < bytes) {
      next = read(offset + FILE_PIECE_BYTES);
      next.catch(() => {}); // awaited in the next turn; until then a failure is not unhandled
    }
    hash.update(piece);
    await file.writeFile(piece);
    onBytes(piece.byteLength);
  }
  await next;
  if (hash.digest("hex") !== digest) {
    throw new ServingError("DATA_LOSS", `'${name}' came with another content than its node says it has: load the model again`);
  }
  await file.sync(); // a folder that is whole promises bytes that a power cut cannot take back
}

const isFull = (thrown: unknown): boolean =>
  thrown instanceof Error && "code" in thrown && (thrown.code === "ENOSPC" || thrown.code === "EDQUOT");
