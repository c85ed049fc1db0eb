/**
 * Reads the configuration of a model in a repository: its file or a client's override, completed and checked for every version that
 * is to be served, without the runtime.
 */
import { ServingError } from "../errors.ts";
import type { ModelConfiguration } from "../model/config/configuration.ts";
import {
  type ConfigSource,
  type DraftConfig,
  draftConfig,
  type FinishedConfig,
  finishConfig,
  needsOnnxSignature,
} from "../model/config/prepare.ts";
import { modelFileFix } from "../model/config/problems/layout-fixes.ts";
import { CONFIG_CHARACTERS_MAX } from "../model/config/text/parse-text.ts";
import { readOnnxSignature } from "../model/onnx-signature.ts";
import type { ModelSignature } from "../wire/model-runner.ts";
import { damagedFile } from "./damaged-file.ts";
import { readRanges } from "./read-ranges.ts";
import type { FileInfo, ModelFiles } from "./repository.ts";

export interface ReadConfigOptions {
  /** The folder's name. */
  readonly model: string;
  /** A client's configuration in JSON, which replaces the file's. */
  readonly override?: string;
  /** Take `configs/NAME.pbtxt` where the model has it. */
  readonly configName?: string;
  /** False: the configuration must be complete. */
  readonly autoComplete?: boolean;
  readonly defaultMaxBatchSize?: number;
  /** For ensembles: the models that are there, by name. */
  readonly composing?: ReadonlyMap<string, ModelConfiguration>;
  /** Look at this version's file alone: what is wrong with another one is not this one's fault. */
  readonly only?: number;
}

export interface ReadConfig {
  readonly draft: DraftConfig;
  /** The file that it came from; undefined when there is none, or an override. */
  readonly file: string | undefined;
  /** By version, highest first; empty when the policy leaves none. */
  readonly versions: ReadonlyMap<number, FinishedConfig>;
}

/**
 * @throws ServingError INVALID_ARGUMENT when the configuration cannot be read; DATA_LOSS, UNIMPLEMENTED and NOT_FOUND for model files
 * that are damaged, of another kind, or not there
 */
export async function readModelConfig(files: ModelFiles, options: ReadConfigOptions): Promise<ReadConfig> {
  const { draft, file, list } = await readModelDraft(files, options);
  const versions = new Map<number, FinishedConfig>();
  for (const version of draft.versions.served) {
    if (options.only !== undefined && version !== options.only) continue;
    const signature = needsOnnxSignature(draft) ? await readSignature(files, modelFile(draft, version, list)) : undefined;
    versions.set(version, finishConfig(draft, { ...options, signature }));
  }
  return { draft, file, versions };
}

export interface ReadDraft extends Pick<ReadConfig, "draft" | "file"> {
  readonly list: readonly FileInfo[];
}

/** What needs no model file: which versions are to be served, and what is wrong already. @throws ServingError INVALID_ARGUMENT */
export async function readModelDraft(
  files: ModelFiles,
  options: Pick<ReadConfigOptions, "model" | "override" | "configName">,
): Promise<ReadDraft> {
  const list = await files.list();
  const file = options.override === undefined ? configFile(list, options.configName) : undefined;
  const source: ConfigSource =
    options.override !== undefined
      ? { kind: "override", json: options.override }
      : file === undefined
        ? { kind: "none" }
        : { kind: "file", name: file.name, text: await readText(files, file) };
  const links = await files.links?.();
  const draft = draftConfig({ name: options.model, files: list.map(({ name }) => name), links }, source);
  return { draft, file: file?.name, list };
}

function configFile(list: readonly FileInfo[], configName: string | undefined): FileInfo | undefined {
  const wanted = [...(configName === undefined ? [] : [`configs/${configName}.pbtxt`]), "config.pbtxt"];
  return wanted.map((name) => list.find((file) => file.name === name)).find((file) => file !== undefined);
}

async function readText(files: ModelFiles, { name, bytes }: FileInfo): Promise<string> {
  if (bytes > 4 * CONFIG_CHARACTERS_MAX) {
    throw new ServingError("INVALID_ARGUMENT", `${name} has ${bytes} bytes, a configuration at most ${CONFIG_CHARACTERS_MAX}: is it one?`);
  }
  return new TextDecoder().decode(await files.readRange(name, 0, bytes));
}

/** The model's file of a version: a file, or a folder with a model.onnx in it. @throws ServingError NOT_FOUND */
export function modelFile({ config, links }: DraftConfig, version: number, list: readonly FileInfo[]): FileInfo {
  const wanted = `${version}/${config.defaultModelFilename}`;
  const file = list.find(({ name }) => name === wanted) ?? list.find(({ name }) => name === `${wanted}/model.onnx`);
  if (file !== undefined) return file;
  const fix = modelFileFix(wanted, { files: list.map(({ name }) => name), links });
  throw new ServingError("NOT_FOUND", `unable to find '${wanted}' for model '${config.name}': ${fix}`, { reason: "model_file_not_found" });
}

/** Reads only what it needs. @throws ServingError DATA_LOSS, UNIMPLEMENTED */
async function readSignature(files: ModelFiles, file: FileInfo): Promise<ModelSignature> {
  try {
    return await readRanges(files, file, readOnnxSignature(file.bytes));
  } catch (thrown) {
    throw await damagedFile(files, file, ServingError.from(thrown));
  }
}
