/** The generation that shows whether all stages work: one prefill and one decode run. Pure. */
import { generationId } from "../../core/ids.ts";
import type { GenerationSubmit } from "../../core/messages/generation.ts";
import { GREEDY } from "../../core/model/sampling-parameters.ts";

/** Of no tenant: its turn comes beside theirs. Two tokens that every vocabulary has are the shortest prompt that needs no dummy. */
export const CANARY: GenerationSubmit = {
  kind: "generate",
  generation: generationId("canary"),
  replica: "",
  tenant: "",
  remainingMs: undefined,
  traceparent: "",
  promptIds: Int32Array.of(0, 0),
  choices: 1,
  tokensMax: 2,
  stopIds: [],
  sampling: GREEDY,
};
