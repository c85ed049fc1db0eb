/** A submit of a generation whose prompt is so long. */
import { generationId } from "../../../../core/ids.ts";
import type { GenerationSubmit, Submit } from "../../../../core/messages/generation.ts";

export const submitOf = (tokens: number): Submit => ({
  session: "s",
  number: 9,
  body: { ...GENERATION, promptIds: Int32Array.from({ length: tokens }, (_, index) => index - 5) },
});

const GENERATION: GenerationSubmit = {
  kind: "generate",
  generation: generationId("g"),
  replica: "m/1/0",
  tenant: "public",
  remainingMs: undefined,
  traceparent: "",
  promptIds: Int32Array.of(1, 2, 3),
  choices: 1,
  tokensMax: 10,
  stopIds: [2],
  sampling: {
    temperature: 1,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: [],
    seed: 1n,
    topLogprobs: undefined,
  },
  begun: [],
};
