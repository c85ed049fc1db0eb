/** Does a prompt, with what is asked for, fit the model's context. Pure. */
import { ServingError } from "../../../core/errors.ts";
import type { SamplingParameters } from "../../../core/model/sampling-parameters.ts";

export interface GenerationSize {
  readonly promptTokens: number;
  /** undefined: until the context is full. */
  readonly tokensMax: number | undefined;
  readonly contextLength: number;
}

/**
 * Tokens that each choice may have.
 * @throws ServingError INVALID_ARGUMENT, reason `context_length_exceeded`, naming both numbers.
 */
export function tokensPerChoice({ promptTokens, tokensMax, contextLength }: GenerationSize): number {
  const asked = tokensMax ?? 1;
  if (promptTokens + asked > contextLength) {
    const wanted = tokensMax === undefined ? `${promptTokens} tokens` : `${promptTokens} tokens, and ${tokensMax} more are asked for`;
    throw new ServingError(
      "INVALID_ARGUMENT",
      `the prompt has ${wanted}; this model's context holds ${contextLength}, of which at least 1 is for the answer: ` +
        "shorten the prompt or ask for less",
      { reason: "context_length_exceeded", param: "prompt" },
    );
  }
  return tokensMax ?? contextLength - promptTokens;
}

/** @throws ServingError INVALID_ARGUMENT naming the id that the vocabulary does not have. */
export function checkedIds(ids: readonly number[], vocabSize: number): Int32Array {
  const wrong = ids.find((id) => !isTokenId(id, vocabSize));
  if (wrong === undefined) return Int32Array.from(ids);
  throw new ServingError("INVALID_ARGUMENT", `prompt has the token id ${wrong}; this model has 0 to ${vocabSize - 1}`, { param: "prompt" });
}

/** @throws ServingError INVALID_ARGUMENT naming the id that the vocabulary does not have. */
export function checkBiases(biases: SamplingParameters["logitBias"], vocabSize: number): void {
  const [wrong] = biases.find(([id]) => !isTokenId(id, vocabSize)) ?? [];
  if (wrong === undefined) return;
  throw new ServingError("INVALID_ARGUMENT", `logit_bias has the token id ${wrong}; this model has 0 to ${vocabSize - 1}`, {
    param: "logit_bias",
  });
}

const isTokenId = (id: number, vocabSize: number): boolean => Number.isInteger(id) && id >= 0 && id < vocabSize;
