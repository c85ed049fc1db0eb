/** A language model as a running request calls it, as a step of an ensemble: its KServe interface without a client. */
import { meteredGeneration } from "../../quotas/metered.ts";
import type { ModelDirectory } from "../../serving/generation/text-generation.ts";
import type { CalledLanguageModel } from "../../serving/infer-submit.ts";
import { isLanguageModel } from "./generate-route.ts";
import { type LanguageResponsesDeps, languageResponses } from "./language-responses.ts";
import { languageView } from "./language-view.ts";

/** The pieces of its text where the call says `stream`, else the whole of it as the only answer. */
export function calledLanguageModel(deps: LanguageResponsesDeps & { readonly models: ModelDirectory }): CalledLanguageModel {
  const metered = { ...deps, generation: meteredGeneration(deps.generation) };
  return (request, signal) => {
    if (!isLanguageModel(deps, request.model)) return undefined;
    const view = languageView(deps.models.list(), request.model, request.version);
    return languageResponses(metered, request, view, { streams: false }, signal);
  };
}
