/** Language models that a gateway's own settings want, whatever the repository says of them. Pure. */
import { type ModelName, modelName } from "../../core/ids.ts";
import type { CopiesRange } from "../../core/model/config/language-settings.ts";
import type { LanguageSettings, WantedModel } from "../../core/store/placement/wanted-models.ts";
import type { LoadPlan } from "./wanted-transitions.ts";

export interface PresetModel {
  readonly model: ModelName;
  readonly plan: LoadPlan;
}

/** How fingerprints of presets begin. */
const PRESET = "preset ";

/** @param range one replica unless said @throws ServingError INVALID_ARGUMENT when the name is none. */
export function presetModel(name: string, version: string, language: LanguageSettings, range: CopiesRange = { copies: 1 }): PresetModel {
  const fingerprint = `${PRESET}${JSON.stringify([version, language, range])}`;
  return { model: modelName(name), plan: { fingerprint, versions: [version], source: "", config: "", ...range, bytes: 0, language } };
}

export function isPreset({ current, next }: WantedModel): boolean {
  return [current, next].some((load) => load?.fingerprint.startsWith(PRESET) === true);
}
