/** Reads model folders, and the folders beside them that their ensembles are composed of. */
import { basename, dirname, join } from "node:path";
import { ServingError } from "../../core/errors.ts";
import type { DraftConfig, FinishedConfig } from "../../core/model/config/prepare.ts";

export interface ReadFolder {
  /** Absolute. */
  readonly folder: string;
  /** undefined when the configuration could not be read: `failures` say why. */
  readonly draft: DraftConfig | undefined;
  /** The configuration's file; undefined when there is none. */
  readonly file: string | undefined;
  /** What keeps it, or a version of it, from being read or loaded. */
  readonly failures: readonly ServingError[];
  /** Those that could be read, highest first. */
  readonly versions: ReadonlyMap<number, FinishedConfig>;
}

/** A folder is a repository when folders in it are models: they have a configuration or versions. @returns model folders */
export async function modelFolders(given: readonly string[]): Promise<readonly string[]> {
  const { folderRepository } = await import("../../core/repository/folder.ts");
  const found = new Set<string>();
  for (const folder of given) {
    const names = await folderRepository(folder)
      .models()
      .catch(() => []);
    const isModel = await Promise.all(names.map((name) => looksLikeModel(join(folder, name))));
    const isRepository = isModel.includes(true) && !(await looksLikeModel(folder));
    for (const one of isRepository ? names.map((name) => join(folder, name)) : [folder]) found.add(one);
  }
  return [...found];
}

async function looksLikeModel(folder: string): Promise<boolean> {
  const { readdir } = await import("node:fs/promises");
  const names = await readdir(folder).catch(() => []);
  return names.some((name) => name === "config.pbtxt" || /^[1-9]\d*$/.test(name));
}

/** By folder: what was given first, then composing models of ensembles. */
export async function readFolders(given: readonly string[]): Promise<ReadonlyMap<string, ReadFolder>> {
  const found = new Map<string, ReadFolder>();
  const queue = [...given];
  for (let folder = queue.shift(); folder !== undefined; folder = queue.shift()) {
    if (found.has(folder)) continue;
    const model = await readFolder(folder);
    const isBeside = !given.includes(folder);
    if (isBeside && model.draft === undefined && model.failures[0]?.code === "NOT_FOUND") continue;
    found.set(folder, model);
    for (const name of composingNames(model)) queue.push(composingFolder(folder, name, given));
  }
  return found;
}

/** Beside the ensemble, or wherever a given folder has the name. */
export function composingFolder(ensemble: string, model: string, folders: Iterable<string>): string {
  const beside = join(dirname(ensemble), model);
  const all = [...folders];
  return all.includes(beside) ? beside : (all.find((folder) => basename(folder) === model) ?? beside);
}

function composingNames({ versions }: ReadFolder): readonly string[] {
  const [finished] = versions.values();
  const scheduler = finished?.configuration?.scheduler;
  return scheduler?.kind === "ensemble" ? scheduler.steps.map(({ model }) => model) : [];
}

/** Each version by itself: one that is broken says nothing of the others. */
async function readFolder(folder: string): Promise<ReadFolder> {
  const [{ folderModelFiles }, { readModelConfig, readModelDraft }] = await Promise.all([
    import("../../core/repository/folder.ts"),
    import("../../core/repository/model-config.ts"),
  ]);
  const files = folderModelFiles(folder);
  const model = basename(folder);
  const failures: ServingError[] = [];
  const versions = new Map<number, FinishedConfig>();
  try {
    const { draft, file } = await readModelDraft(files, { model });
    for (const only of draft.versions.served) {
      try {
        for (const [version, finished] of (await readModelConfig(files, { model, only })).versions) versions.set(version, finished);
      } catch (thrown) {
        failures.push(servingError(thrown));
      }
    }
    return { folder, draft, file, failures, versions };
  } catch (thrown) {
    return { folder, draft: undefined, file: undefined, failures: [servingError(thrown)], versions };
  }
}

/** @throws what is no ServingError: a bug of ours */
export function servingError(thrown: unknown): ServingError {
  if (thrown instanceof ServingError) return thrown;
  throw thrown;
}
