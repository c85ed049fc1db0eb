/**
 * Where a model's files are: in one of the repositories, or in what a load call brought along (`file:` overrides), which is kept under
 * the digest of its content so that every node of a machine finds it.
 */
import { createHash } from "node:crypto";
import { access, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { ServingError } from "../errors.ts";
import type { ModelName } from "../ids.ts";
import type { Random } from "../random.ts";
import { folderModelFiles, folderRepository } from "./folder.ts";
import type { ReadConfigOptions } from "./model-config.ts";
import { IN_SEVERAL } from "./range.ts";
import type { ModelFiles } from "./repository.ts";

export interface ModelSourcesOptions {
  /** Each holds one folder per model; a model that is in two of them is in none. At least one. */
  readonly repositoryFolders: readonly [string, ...string[]];
  /** Where uploaded models are kept. */
  readonly uploadsFolder: string;
  readonly random: Random;
  /** How configurations of the repositories are read; as they stand unless said. */
  readonly reading?: ConfigReading;
}

export type ConfigReading = Pick<ReadConfigOptions, "configName" | "defaultMaxBatchSize">;

const NAME_BYTES_MAX = 200;
const FILES_MAX = 256;

export class ModelSources {
  readonly #options: ModelSourcesOptions;
  /** By folder: digests are remembered, so that looking again reads no file that has not changed. */
  readonly #files = new Map<string, ModelFiles>();

  constructor(options: ModelSourcesOptions) {
    this.#options = options;
  }

  get reading(): ConfigReading {
    return this.#options.reading ?? {};
  }

  /** Names of the repositories' models, sorted. */
  async names(): Promise<readonly string[]> {
    return [...new Set((await this.#lists()).flat())].sort();
  }

  /** Names that several repositories have: none of these models can be loaded. */
  async ambiguous(): Promise<readonly string[]> {
    if (this.#options.repositoryFolders.length === 1) return [];
    const all = (await this.#lists()).flat();
    return [...new Set(all.filter((name, index) => all.indexOf(name) !== index))];
  }

  /** The model's folder on this machine; it may not be there. @throws ServingError FAILED_PRECONDITION when several repositories have it. */
  async folder(model: ModelName, source: string): Promise<string> {
    const { repositoryFolders, uploadsFolder } = this.#options;
    if (source !== "") return path.join(uploadsFolder, source, model);
    const folders = repositoryFolders.map((folder) => path.join(folder, model));
    const isThere = folders.length === 1 ? [true] : await Promise.all(folders.map(isFolder));
    const there = folders.filter((_, index) => isThere[index]);
    if (there.length > 1) throw new ServingError("FAILED_PRECONDITION", `${IN_SEVERAL}: ${there.join(", ")}`, { reason: "in_several" });
    return there[0] ?? path.join(repositoryFolders[0], model);
  }

  /** @throws ServingError NOT_FOUND when there is no such model, FAILED_PRECONDITION when several repositories have it. */
  async files(model: ModelName, source: string): Promise<ModelFiles> {
    const folder = await this.folder(model, source);
    await access(folder).catch((cause: unknown) => {
      this.#files.delete(folder);
      throw new ServingError("NOT_FOUND", `there is no model '${model}' in the repository`, { cause, reason: "model_not_found" });
    });
    const files = this.#files.get(folder) ?? folderModelFiles(folder);
    this.#files.set(folder, files);
    return files;
  }

  #lists(): Promise<readonly (readonly string[])[]> {
    return Promise.all(this.#options.repositoryFolders.map((folder) => folderRepository(folder).models()));
  }

  /**
   * Keeps uploaded files; the same files are kept once.
   * @param files by path in the model's folder, `1/model.onnx`
   * @returns the source to find them under
   * @throws ServingError INVALID_ARGUMENT when a path leaves the model's folder, or there are too many files.
   */
  async save(model: ModelName, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
    if (files.size > FILES_MAX)
      throw new ServingError("INVALID_ARGUMENT", `${files.size} files are uploaded, at most ${FILES_MAX} are taken`);
    const hash = createHash("sha256").update(model);
    for (const [name, bytes] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1)))
      hash.update(`\0${checkedPath(name)}\0${bytes.byteLength}\0`).update(bytes);
    const source = hash.digest("hex").slice(0, 32);
    const target = path.join(this.#options.uploadsFolder, source);
    const unfinished = `${target}.${this.#options.random.id()}`;
    try {
      for (const [name, bytes] of files) {
        const file = path.join(unfinished, model, name);
        await mkdir(path.dirname(file), { recursive: true });
        await writeFile(file, bytes);
      }
      await rename(unfinished, target);
    } catch (thrown) {
      await rm(unfinished, { recursive: true, force: true });
      const isThere = await access(path.join(target, model)).then(
        () => true,
        () => false,
      );
      if (!isThere) throw thrown;
    }
    return source;
  }
}

const isFolder = async (folder: string): Promise<boolean> => (await stat(folder).catch(() => undefined))?.isDirectory() === true;

function checkedPath(name: string): string {
  const parts = name.split("/");
  const bad = parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\\") || part.includes("\0"));
  if (bad || Buffer.byteLength(name) > NAME_BYTES_MAX || parts.length < 2) {
    throw new ServingError(
      "INVALID_ARGUMENT",
      `uploaded file ${JSON.stringify(name.slice(0, NAME_BYTES_MAX))}: give VERSION/PATH inside the model's folder`,
    );
  }
  return name;
}
