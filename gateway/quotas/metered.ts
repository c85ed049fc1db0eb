/**
 * The serving ports as API keys with limits see them: each request takes what it may cost before it begins, and gives back what it did
 * not use. Requests without a budget pass as they are.
 */

import type { Prompt, TextEvent, TextGeneration } from "../serving/generation/text-generation.ts";
import type { Inference, InferRequest } from "../serving/inference.ts";
import type { KeyBudget } from "./budgets.ts";

/** Of text before it is tokenized, and of tensors. */
const BYTES_PER_TOKEN = 4;

export function meteredGeneration(generation: TextGeneration): TextGeneration {
  return {
    generate(request, signal) {
      if (request.budget === undefined) return generation.generate(request, signal);
      const prompt = guessedTokens(request.prompt);
      const taken = prompt + (request.tokensMax ?? 0) * request.choices;
      return metered(generation.generate(request, signal), request.budget, { taken, prompt });
    },
    resume(request, signal) {
      const events = generation.resume(request, signal);
      return request.budget === undefined ? events : metered(events, request.budget, { taken: 0, prompt: undefined });
    },
  };
}

interface Guess {
  readonly taken: number;
  /** undefined: it was paid for when the stream began. */
  readonly prompt: number | undefined;
}

async function* metered(events: AsyncIterable<TextEvent>, budget: KeyBudget, { taken, prompt }: Guess): AsyncGenerator<TextEvent> {
  let used = prompt ?? 0;
  budget.begin(taken);
  try {
    for await (const event of events) {
      if (event.kind === "started" && prompt !== undefined) used = event.promptTokens;
      else if (event.kind === "delta" && event.told !== true) used += event.tokens.length;
      yield event;
    }
  } finally {
    budget.end(used - taken);
  }
}

export function meteredInference(inference: Inference): Inference {
  return {
    infer: (request, signal) =>
      request.budget === undefined ? inference.infer(request, signal) : meteredInfer(inference, request, request.budget, signal),
    responses: (request, signal) =>
      request.budget === undefined ? inference.responses(request, signal) : meteredResponses(inference, request, request.budget, signal),
  };
}

async function meteredInfer(inference: Inference, request: InferRequest, budget: KeyBudget, signal: AbortSignal) {
  budget.begin(guessedCost(request));
  try {
    return await inference.infer(request, signal);
  } finally {
    budget.end(0);
  }
}

async function* meteredResponses(inference: Inference, request: InferRequest, budget: KeyBudget, signal: AbortSignal) {
  budget.begin(guessedCost(request));
  try {
    yield* inference.responses(request, signal);
  } finally {
    budget.end(0);
  }
}

const guessedCost = ({ inputs }: InferRequest): number =>
  Math.ceil(inputs.reduce((sum, { data }) => sum + data.byteLength, 0) / BYTES_PER_TOKEN);

function guessedTokens(prompt: Prompt): number {
  switch (prompt.kind) {
    case "ids":
      return prompt.ids.length;
    case "text":
      return Math.ceil(prompt.text.length / BYTES_PER_TOKEN);
    case "chat":
      return Math.ceil(prompt.messages.reduce((sum, { content }) => sum + content.length, 0) / BYTES_PER_TOKEN);
  }
}
