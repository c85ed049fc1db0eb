/** How the next token is chosen. Pure. */

export interface SamplingParameters {
  /** 0 is greedy: the largest logit, the lowest id on a tie. At most 2. */
  readonly temperature: number;
  /** Only the k most likely tokens; 0 is off. */
  readonly topK: number;
  /** The smallest set of tokens whose probability reaches p, in (0, 1]; 1 is off. */
  readonly topP: number;
  /** Only tokens at least this fraction as likely as the most likely one, in [0, 1]; 0 is off. */
  readonly minP: number;
  /** Over prompt and output: positive logits are divided by it, negative ones multiplied (CTRL, Keskar et al. 2019); 1 is off. */
  readonly repetitionPenalty: number;
  /** Over the output: subtracted once from tokens that occurred (OpenAI). */
  readonly presencePenalty: number;
  /** Over the output: subtracted once per occurrence (OpenAI). */
  readonly frequencyPenalty: number;
  /** Added to the logits of these ids. */
  readonly logitBias: readonly (readonly [id: number, bias: number])[];
  /** 64 bits; the token at (choice, position) is a function of it. */
  readonly seed: bigint;
  /** undefined: no logprobs; 0: of the chosen token only; n ≤ 20: of the n most likely too. */
  readonly topLogprobs: number | undefined;
}

export const GREEDY: SamplingParameters = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: [],
  seed: 0n,
  topLogprobs: undefined,
};

/** A chosen token. Log probabilities are natural logarithms after penalties and bias, before temperature and filters. */
export interface SampledToken {
  readonly id: number;
  readonly logprob: number | undefined;
  /** Most likely first; empty unless asked for. */
  readonly topLogprobs: readonly (readonly [id: number, logprob: number])[];
}
