/** Checks ensembles against the models that they are composed of. Pure. */
import type { EnsembleScheduling, ModelConfiguration } from "../../core/model/config/configuration.ts";
import { circularEnsemble } from "../../core/model/config/ensemble-models.ts";
import { type FinishedConfig, finishConfig } from "../../core/model/config/prepare.ts";
import type { ReadFolder } from "./read-folders.ts";

/** @param read by folder @returns the same, ensembles with what their composing models make of them */
export function composeModels(
  read: ReadonlyMap<string, ReadFolder>,
  composingFolder: (ensemble: string, model: string, folders: Iterable<string>) => string,
): ReadonlyMap<string, ReadFolder> {
  const composed = new Map<string, ReadFolder>();
  const compose = (folder: string): ReadFolder | undefined => {
    const model = composed.get(folder) ?? read.get(folder);
    if (model === undefined || composed.has(folder)) return model;
    composed.set(folder, model); // what leads back here finds it as it is, and is told below
    const versions = new Map([...model.versions].map(([version, finished]) => [version, composeOne(model, finished)]));
    const whole = { ...model, versions };
    composed.set(folder, whole);
    return whole;
  };
  const composeOne = (model: ReadFolder, finished: FinishedConfig): FinishedConfig => {
    const { configuration } = finished;
    if (model.draft === undefined || configuration?.scheduler.kind !== "ensemble") return finished;
    const circular = circularEnsemble(configuration.name, ensemblesOf(read));
    if (circular !== undefined) return { ...finished, configuration: undefined, problems: [circular] };
    const composing = new Map<string, ModelConfiguration>();
    for (const { model: name } of configuration.scheduler.steps) {
      const [own] = compose(composingFolder(model.folder, name, read.keys()))?.versions.values() ?? [];
      if (own?.configuration !== undefined) composing.set(name, own.configuration);
    }
    return finishConfig(model.draft, { signature: undefined, composing });
  };
  for (const folder of read.keys()) compose(folder);
  return composed;
}

function ensemblesOf(read: ReadonlyMap<string, ReadFolder>): ReadonlyMap<string, EnsembleScheduling> {
  const ensembles = new Map<string, EnsembleScheduling>();
  for (const { versions } of read.values()) {
    const [finished] = versions.values();
    const configuration = finished?.configuration;
    if (configuration?.scheduler.kind === "ensemble") ensembles.set(configuration.name, configuration.scheduler);
  }
  return ensembles;
}
