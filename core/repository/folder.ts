/** Models as folders on this machine: `<root>/<model>/<files>`. Bytes are read in bounded pieces, never through links. */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { constants, type FileHandle, open, readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { ServingError } from "../errors.ts";
import { checkRange, fileNotFound, modelNotFound } from "./range.ts";
import type { FileInfo, ModelFiles, Repository } from "./repository.ts";

const DIGEST_PIECE_BYTES = 4 * 1024 * 1024;
const FOLDER_DEPTH_MAX = 16;
/** As `modelName` takes them. */
const MODEL_NAME = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export function folderRepository(root: string): Repository {
  return {
    async models() {
      const found = await readdir(root).catch((cause: Error) => {
        const message = `the model repository '${root}' cannot be read (${cause.message}): make the folder, or name another one`;
        throw new ServingError("FAILED_PRECONDITION", message, { cause });
      });
      const names = found.filter((name) => MODEL_NAME.test(name)).sort();
      const kept = await Promise.all(names.map((name) => isFolder(path.join(root, name))));
      return names.filter((_, index) => kept[index]);
    },
    async model(name) {
      const folder = path.join(root, name);
      if (!MODEL_NAME.test(name) || !(await isFolder(folder))) throw modelNotFound(name);
      return folderModelFiles(folder);
    },
  };
}

/** The files of the model in `folder`. Digests are remembered by this object while size and time of change stay the same. */
export function folderModelFiles(folder: string): ModelFiles {
  const digests = new Map<string, { readonly stamp: string; readonly digest: Promise<string> }>();
  return {
    async list() {
      const files: FileInfo[] = [];
      await collectFiles(folder, "", 0, { files, links: [] });
      return files.sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async links() {
      const links: string[] = [];
      await collectFiles(folder, "", 0, { files: [], links });
      return links.sort();
    },
    async readRange(name, offset, length) {
      await using file = await openFile(folder, name);
      checkRange({ name, offset, length, fileBytes: Number((await file.stat({ bigint: true })).size) });
      const bytes = new Uint8Array(length);
      await readFully(file, name, bytes, offset);
      return bytes;
    },
    async digest(name) {
      await using file = await openFile(folder, name);
      const stamp = stampOf(await file.stat({ bigint: true }));
      const known = digests.get(name);
      if (known?.stamp === stamp) return await known.digest;
      const digest = digestOf(file, name, stamp);
      digests.set(name, { stamp, digest });
      digest.catch(() => digests.delete(name));
      return await digest;
    },
  };
}

const stampOf = (stats: BigIntStats): string => `${stats.ino} ${stats.size} ${stats.mtimeNs}`;

const isMissing = (thrown: unknown): boolean =>
  thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ENOTDIR" || thrown.code === "ELOOP");

async function isFolder(folder: string): Promise<boolean> {
  try {
    return (await stat(folder)).isDirectory();
  } catch {
    return false;
  }
}

interface Found {
  readonly files: FileInfo[];
  readonly links: string[];
}

async function collectFiles(folder: string, prefix: string, depth: number, found: Found): Promise<void> {
  if (depth > FOLDER_DEPTH_MAX)
    throw new ServingError("FAILED_PRECONDITION", `'${prefix}' is nested deeper than ${FOLDER_DEPTH_MAX} folders`);
  const entries = await readdir(path.join(folder, prefix), { withFileTypes: true }).catch((thrown: unknown) => {
    throw isMissing(thrown)
      ? new ServingError("NOT_FOUND", `there is no folder '${path.join(folder, prefix)}'`, { cause: thrown })
      : thrown;
  });
  for (const entry of entries) {
    const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) await collectFiles(folder, name, depth + 1, found);
    else if (entry.isFile()) found.files.push({ name, bytes: (await stat(path.join(folder, name))).size });
    else if (entry.isSymbolicLink()) found.links.push(name);
  }
}

/** @throws ServingError NOT_FOUND also for names that leave the folder, pass a link, or are no plain file. */
async function openFile(folder: string, name: string): Promise<FileHandle> {
  const parts = name.split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"))) throw fileNotFound(name);
  let file: FileHandle;
  try {
    const real = path.join(await realpath(folder), ...parts);
    if ((await realpath(real)) !== real) throw fileNotFound(name);
    file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK); // a pipe must not block the open
  } catch (thrown) {
    throw isMissing(thrown) ? fileNotFound(name) : thrown;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw fileNotFound(name);
}

async function readFully(file: FileHandle, name: string, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + done);
    if (bytesRead === 0) throw new ServingError("OUT_OF_RANGE", `'${name}' became shorter while it was read`);
    done += bytesRead;
  }
}

async function digestOf(file: FileHandle, name: string, stamp: string): Promise<string> {
  const hash = createHash("sha256");
  const piece = new Uint8Array(DIGEST_PIECE_BYTES);
  for (let offset = 0; ; ) {
    const { bytesRead } = await file.read(piece, 0, piece.length, offset);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
    offset += bytesRead;
  }
  if (stampOf(await file.stat({ bigint: true })) !== stamp) {
    throw new ServingError("ABORTED", `'${name}' changed while its digest was made: try again`);
  }
  return hash.digest("hex");
}
