/** Counts a call's tokens, and that each of its choices ends exactly once. */
import { ServingError } from "../../core/errors.ts";

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  readonly completion_tokens_details: { readonly reasoning_tokens: number };
}

export class UsageCount {
  readonly #promptTokens: number;
  #completionTokens = 0;
  #running: number;

  constructor(promptTokens: number, choices: number) {
    this.#promptTokens = promptTokens;
    this.#running = choices;
  }

  finish(completionTokens: number): void {
    this.#completionTokens += completionTokens;
    this.#running--;
  }

  /** @throws ServingError INTERNAL when the stream ended before all choices had: an answer must not look complete then. */
  total(): Usage {
    if (this.#running !== 0) throw new ServingError("INTERNAL", "the generation ended early");
    return {
      prompt_tokens: this.#promptTokens,
      completion_tokens: this.#completionTokens,
      total_tokens: this.#promptTokens + this.#completionTokens,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    };
  }
}
