/**
 * Reads the configuration of a model to be served, an ensemble's together with those of the models that it is composed of, each as it
 * is loaded itself: from the repository, or from what a load call brought along.
 */
import { modelName } from "../ids.ts";
import { type ComposingModel, circle } from "../model/config/ensemble-models.ts";
import { problemError } from "../model/config/problems/problem.ts";
import { type ReadConfig, readModelConfig, readModelDraft } from "./model-config.ts";
import type { ModelSources } from "./model-sources.ts";

/** Where a model's files are, and what replaces its configuration. */
export interface LoadedFrom {
  readonly model: string;
  /** Empty: the repository's files. */
  readonly source: string;
  /** Empty: the file's configuration. */
  readonly config: string;
}

export interface ComposedConfig extends ReadConfig {
  /** Of an ensemble: its models by name, those that can be served. */
  readonly composing: ReadonlyMap<string, ComposingModel>;
}

/**
 * @param options.members the models of an ensemble, and theirs; of others none
 * @param options.only the version of the model itself that is looked at; all unless said
 * @throws ServingError as `readModelConfig`, and INVALID_ARGUMENT when ensembles lead in a circle
 */
export async function readComposedConfig(
  sources: ModelSources,
  load: LoadedFrom,
  options: { readonly members: readonly LoadedFrom[]; readonly autoComplete?: boolean; readonly only?: number },
): Promise<ComposedConfig> {
  const { members, autoComplete = true, only } = options;
  const reading = { loads: new Map(members.map((member) => [member.model, member])), path: [], autoComplete };
  return await readWith(sources, load, { ...reading, ...(only !== undefined && { only }) });
}

interface Reading {
  readonly loads: ReadonlyMap<string, LoadedFrom>;
  /** Ensembles that are being read, the outermost first. */
  readonly path: readonly string[];
  readonly autoComplete: boolean;
  readonly only?: number;
}

async function readWith(sources: ModelSources, load: LoadedFrom, { loads, path, autoComplete, only }: Reading): Promise<ComposedConfig> {
  const name = modelName(load.model);
  const files = await sources.files(name, load.source);
  const options = { ...sources.reading, model: name, autoComplete, ...(load.config !== "" && { override: load.config }) };
  const { draft } = await readModelDraft(files, options);
  const composing = new Map<string, ComposingModel>();
  for (const { model, version } of draft.members) {
    if (model === name || path.includes(model)) throw problemError(circle(model, name));
    const from = loads.get(model);
    if (from === undefined || composing.has(model)) continue;
    const { versions } = await readWith(sources, from, { loads, path: [...path, name], autoComplete });
    const [highest] = versions.keys();
    const configuration = versions.get(version ?? highest ?? 0)?.configuration;
    if (highest !== undefined && configuration !== undefined) composing.set(model, { configuration, highest });
  }
  const models = new Map([...composing].map(([model, { configuration }]) => [model, configuration]));
  return { ...(await readModelConfig(files, { ...options, ...(only !== undefined && { only }), composing: models })), composing };
}
