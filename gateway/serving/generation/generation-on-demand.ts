/** Text of models that are loaded when they are asked for. */
import type { ModelDemand } from "../model-catalog.ts";
import type { TextEvent, TextGeneration, TextRequest } from "./text-generation.ts";

export function generationOnDemand(generation: TextGeneration, demand: ModelDemand): TextGeneration {
  async function* generate(request: TextRequest, signal: AbortSignal): AsyncGenerator<TextEvent, void, undefined> {
    await demand.ready(request.model, signal);
    yield* generation.generate(request, signal);
  }
  return { generate, resume: (request, signal) => generation.resume(request, signal) };
}
