/** Is this submit one that the engine can carry out? Gateways check too; this is the last line of defense. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { BegunChoice, GenerationSubmit } from "../../core/messages/generation.ts";

export interface GenerationLimits {
  readonly model: string;
  readonly slots: number;
  readonly contextLength: number;
  readonly vocabSize: number;
}

/** @throws ServingError INVALID_ARGUMENT naming what is wrong, and what is possible. */
export function checkGeneration(submit: GenerationSubmit, limits: GenerationLimits): void {
  const { model, slots, contextLength, vocabSize } = limits;
  const { promptIds, choices, tokensMax, stopIds, begun } = submit;
  if (!Number.isSafeInteger(choices) || choices < 1 || choices > slots)
    refuse(`n is ${choices}, model ${model} gives 1 to ${slots} choices at a time`, { param: "n" });
  if (!Number.isSafeInteger(tokensMax) || tokensMax < 1) refuse(`max_tokens is ${tokensMax}, must be at least 1`, { param: "max_tokens" });
  if (promptIds.length === 0) refuse("the prompt is empty, it must have at least one token", { param: "prompt" });
  if (promptIds.length >= contextLength)
    refuse(
      `the prompt has ${promptIds.length} tokens, the context of model ${model} holds ${contextLength} with at least one to generate: shorten the prompt`,
      { param: "prompt", reason: "context_length_exceeded" },
    );
  for (const id of promptIds) checkId(id, "prompt", limits);
  for (const id of stopIds) checkId(id, "stop_token_ids", limits);
  if (begun.length > choices) refuse(`${begun.length} choices have begun, of ${choices}`, { param: "begun" });
  if (begun.length === choices && begun.every(({ over }) => over)) refuse("every choice is over", { param: "begun" });
  for (const one of begun) checkBegun(one, submit, limits);
  for (const [id] of submit.sampling.logitBias) {
    if (!isId(id, vocabSize)) refuse(`logit_bias names token ${id}, model ${model} has 0 to ${vocabSize - 1}`, { param: "logit_bias" });
  }
}

/** Whoever asks knows that such a choice has ended: there is nothing to generate, and no event would say so. */
function checkBegun({ outputIds, over }: BegunChoice, { promptIds, tokensMax, stopIds }: GenerationSubmit, limits: GenerationLimits): void {
  for (const id of outputIds) checkId(id, "begun", limits);
  const full = outputIds.length >= tokensMax || promptIds.length + outputIds.length >= limits.contextLength;
  if (!over && (full || stopIds.includes(outputIds.at(-1) ?? -1))) refuse("a choice that has begun is at its end", { param: "begun" });
}

const isId = (id: number, vocabSize: number): boolean => Number.isSafeInteger(id) && id >= 0 && id < vocabSize;

function checkId(id: number, param: string, { model, vocabSize }: GenerationLimits): void {
  if (!isId(id, vocabSize)) refuse(`${param} has token ${id}, model ${model} has 0 to ${vocabSize - 1}`, { param });
}

function refuse(message: string, options: { readonly param: string; readonly reason?: string }): never {
  throw new ServingError("INVALID_ARGUMENT", message, options);
}
