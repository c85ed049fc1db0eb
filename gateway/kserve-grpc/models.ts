/** The models as this door sees them: whole ones from the catalog, and language models in the same form. */
import { languageView } from "../kserve/generate/language-view.ts";
import { isModelReady } from "../kserve/model-lookup.ts";
import { invalid } from "../kserve/triton-error.ts";
import type { ModelView } from "../serving/model-catalog.ts";
import type { KserveGrpcDeps } from "./deps.ts";

export interface FoundModel {
  readonly kind: "language" | "tensors";
  readonly view: ModelView;
}

type ModelDeps = Pick<KserveGrpcDeps, "models" | "tensors">;

/** @throws ServingError NOT_FOUND or UNAVAILABLE with Triton's text */
export function findModel(deps: ModelDeps, name: string, version: number | undefined): FoundModel {
  if (!isLanguageModel(deps, name)) return { kind: "tensors", view: deps.tensors.catalog.view(name, version) };
  return { kind: "language", view: languageView(deps.models.list(), name, version) };
}

export function isReady(deps: ModelDeps, name: string, version: number | undefined): boolean {
  return isLanguageModel(deps, name) ? isModelReady(deps.models.list(), name, version) : deps.tensors.catalog.isReady(name, version);
}

/** undefined for none asked for. @throws ServingError INVALID_ARGUMENT with Triton's text */
export function parseVersion(text: string): number | undefined {
  if (text === "") return undefined;
  const expected = "version should be an integral value > 0";
  const version = /^\s*[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(version)) {
    throw invalid(`failed to get model version from specified version string '${text.slice(0, 100)}' (details: stol), ${expected}`);
  }
  if (version < 0) throw invalid(`invalid model version specified '${text}' , ${expected}`);
  return version;
}

function isLanguageModel({ models }: ModelDeps, name: string): boolean {
  return models.list().some((model) => model.name === name);
}
