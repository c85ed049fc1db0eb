/** Reads model folders, and the folders beside them that their ensembles are composed of. */
import { basename, dirname, join } from "node:path";
import { ServingError } from "../../core/errors.ts";
import type { FinishedConfig } from "../../core/model/config/prepare.ts";
import type { ReadConfig } from "../../core/repository/model-config.ts";

export interface ReadFolder {
  /** Absolute. */
  readonly folder: string;
  /** undefined when it could not be read at all: `failure` says why. */
  readonly read: ReadConfig | undefined;
  readonly failure: ServingError | undefined;
  /** By version, highest first. */
  readonly versions: ReadonlyMap<number, FinishedConfig>;
}

/** By folder: what was given first, then composing models of ensembles. */
export async function readFolders(given: readonly string[]): Promise<ReadonlyMap<string, ReadFolder>> {
  const found = new Map<string, ReadFolder>();
  const queue = [...given];
  for (let folder = queue.shift(); folder !== undefined; folder = queue.shift()) {
    if (found.has(folder)) continue;
    const model = await readFolder(folder);
    const isBeside = !given.includes(folder);
    if (isBeside && model.failure?.code === "NOT_FOUND") continue;
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

async function readFolder(folder: string): Promise<ReadFolder> {
  const [{ folderModelFiles }, { readModelConfig }] = await Promise.all([
    import("../../core/repository/folder.ts"),
    import("../../core/repository/model-config.ts"),
  ]);
  try {
    const read = await readModelConfig(folderModelFiles(folder), { model: basename(folder) });
    return { folder, read, failure: undefined, versions: read.versions };
  } catch (thrown) {
    if (!(thrown instanceof ServingError)) throw thrown;
    return { folder, read: undefined, failure: thrown, versions: new Map() };
  }
}
