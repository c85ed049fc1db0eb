/**
 * Where a model's files are: in one of the repositories, in what a load call brought along (`file:` overrides), which is kept under
 * the digest of its content so that every node of a machine finds it, or on another node.
 */
import { createHash } from "node:crypto";
import { access, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { ServingError } from "../errors.ts";
import type { ModelName } from "../ids.ts";
import type { Random } from "../random.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { FetchOptions } from "./fetch-version.ts";
import { FetchedVersions, type HeldVersion } from "./fetched-versions.ts";
import { folderModelFiles, folderRepository } from "./folder.ts";
import type { ReadConfigOptions } from "./model-config.ts";
import { type AskFiles, peerModelFiles, peerRepository } from "./peer.ts";
import { IN_SEVERAL } from "./range.ts";
import type { ModelFiles } from "./repository.ts";

export interface ModelSourcesOptions {
  /** Each holds one folder per model; a model that is in two of them is in none. At least one. */
  readonly repositoryFolders: readonly [string, ...string[]];
  /** Where models are kept that came over the network: those that were uploaded, and in `fetched` those of other nodes. */
  readonly uploadsFolder: string;
  /** How many bytes those of other nodes may be, unless they are in use; any unless said. */
  readonly fetchedBytesMax?: number;
  /** Hears which of them are removed. */
  readonly logger?: Logger;
  readonly random: Random;
  /** How configurations of the repositories are read; as they stand unless said. */
  readonly reading?: ConfigReading;
}

/** Asked for models that are not on this machine, and what is on it. */
interface Peers {
  readonly own: ModelSources;
  readonly ask: AskFiles;
}

/** Where a model was found. */
export type FoundModel =
  | { readonly kind: "folder"; readonly folder: string; readonly files: ModelFiles }
  | { readonly kind: "peer"; readonly ask: AskFiles; readonly files: ModelFiles };

export interface ConfigReading extends Pick<ReadConfigOptions, "configName" | "defaultMaxBatchSize"> {
  /** Of ONNX models that do not set them. */
  readonly parameters?: ReadonlyMap<string, string>;
}

const NAME_BYTES_MAX = 200;
const FILES_MAX = 256;

export class ModelSources {
  readonly #options: ModelSourcesOptions;
  /** By folder: digests are remembered, so that looking again reads no file that has not changed. */
  readonly #files = new Map<string, ModelFiles>();
  readonly #fetched: FetchedVersions;
  readonly #peers: Peers | undefined;

  constructor(options: ModelSourcesOptions, peers?: Peers) {
    this.#options = options;
    const { uploadsFolder, fetchedBytesMax: bytesMax = Number.POSITIVE_INFINITY, random, logger } = options;
    const folder = path.join(uploadsFolder, "fetched");
    this.#fetched = peers === undefined ? new FetchedVersions({ folder, bytesMax, random, logger }) : peers.own.#fetched;
    this.#peers = peers;
  }

  /** The same, and what is asked for. */
  withPeers(ask: AskFiles): ModelSources {
    return new ModelSources(this.#options, { own: this, ask });
  }

  /** Without what other nodes have. */
  get own(): ModelSources {
    return this.#peers?.own ?? this;
  }

  get reading(): ConfigReading {
    return this.#options.reading ?? {};
  }

  /** Names of the repositories' models, sorted. */
  async names(): Promise<readonly string[]> {
    const peers = this.#peers;
    const [own, others] = await Promise.all([this.#lists(), peers === undefined ? [] : peerRepository(peers.ask).models()]);
    return [...new Set([...own.flat(), ...others])].sort();
  }

  /** Names that several repositories have: none of these models can be loaded. */
  async ambiguous(): Promise<readonly string[]> {
    if (this.#options.repositoryFolders.length === 1) return [];
    const all = (await this.#lists()).flat();
    return [...new Set(all.filter((name, index) => all.indexOf(name) !== index))];
  }

  /** @throws ServingError as `find` */
  async files(model: ModelName, source: string): Promise<ModelFiles> {
    return (await this.find(model, source)).files;
  }

  /** @throws ServingError NOT_FOUND when there is no such model, FAILED_PRECONDITION when several repositories have it, UNAVAILABLE */
  async find(model: ModelName, source: string): Promise<FoundModel> {
    const found = (await this.#onThisMachine(model, source)) ?? (await this.#onAnother(model, source));
    if (found !== undefined) return found;
    const elsewhere = this.#peers === undefined ? "" : ", and no other node has it";
    throw new ServingError("NOT_FOUND", `there is no model '${model}' in the repository${elsewhere}`, { reason: "model_not_found" });
  }

  async #onThisMachine(model: ModelName, source: string): Promise<FoundModel | undefined> {
    const known = this.own.#files;
    const folder = await this.#folder(model, source);
    if (!(await isFolder(folder))) {
      known.delete(folder);
      return undefined;
    }
    const files = known.get(folder) ?? folderModelFiles(folder);
    known.set(folder, files);
    return { kind: "folder", folder, files };
  }

  async #onAnother(model: ModelName, source: string): Promise<FoundModel | undefined> {
    if (this.#peers === undefined) return undefined;
    const { ask } = this.#peers;
    const files = peerModelFiles(ask, model, source);
    try {
      await files.list();
      return { kind: "peer", ask, files };
    } catch (thrown) {
      if (ServingError.from(thrown).reason === "model_not_found") return undefined;
      throw thrown;
    }
  }

  /**
   * A folder on this machine with the files of a version, fetched unless they are here; it stays until it is disposed of.
   * @throws ServingError as `find` and `fetchVersion`
   */
  async onDisk(
    { model, source, version }: { readonly model: ModelName; readonly source: string; readonly version: string },
    options: Omit<FetchOptions, "folder" | "random">,
  ): Promise<HeldVersion> {
    const found = await this.find(model, source);
    if (found.kind === "folder") return { folder: found.folder, [Symbol.asyncDispose]: async () => {} };
    return await this.#fetched.hold(found.files, version, options);
  }

  /** It may not be there. @throws ServingError FAILED_PRECONDITION when several repositories have it. */
  async #folder(model: ModelName, source: string): Promise<string> {
    const { repositoryFolders, uploadsFolder } = this.#options;
    if (source !== "") return path.join(uploadsFolder, source, model);
    const folders = repositoryFolders.map((folder) => path.join(folder, model));
    const isThere = folders.length === 1 ? [true] : await Promise.all(folders.map(isFolder));
    const there = folders.filter((_, index) => isThere[index]);
    if (there.length > 1) throw new ServingError("FAILED_PRECONDITION", `${IN_SEVERAL}: ${there.join(", ")}`, { reason: "in_several" });
    return there[0] ?? path.join(repositoryFolders[0], model);
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
