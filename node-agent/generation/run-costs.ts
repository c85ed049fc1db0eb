/** What runs cost on these stages, learned from their results, and how long a prefill chunk may be for it. Pure. */

export const CHUNK_TOKENS_MIN = 16;
export const CHUNK_TOKENS_MAX = 256;
/** Until something is measured. */
const CHUNK_TOKENS_FIRST = 32;
const TOKEN_US_FIRST = 1_000;
/** A measured run loses weight by a factor e for so many tokens that come after it. */
const MEMORY_TOKENS = 256;
const DECODE_WEIGHT = 0.1;

export class RunCosts {
  #prefillUs = 0;
  #prefillTokens = 0;
  #decodeUs = 0;

  /** Takes the slowest stage: that is what other steps wait for. */
  observePrefill(tokens: number, stageUs: readonly number[]): void {
    const slowestUs = stageUs.reduce((most, us) => Math.max(most, us), 0);
    if (slowestUs <= 0) return;
    const kept = Math.exp(-tokens / MEMORY_TOKENS);
    this.#prefillUs = this.#prefillUs * kept + slowestUs;
    this.#prefillTokens = this.#prefillTokens * kept + tokens;
  }

  observeDecode(stageUs: readonly number[]): void {
    const us = stageUs.reduce((sum, one) => sum + one, 0);
    this.#decodeUs = this.#decodeUs === 0 ? us : this.#decodeUs + DECODE_WEIGHT * (us - this.#decodeUs);
  }

  /** Microseconds that a prefill token takes on the slowest stage. */
  get prefillTokenUs(): number {
    return this.#prefillTokens === 0 ? TOKEN_US_FIRST : this.#prefillUs / this.#prefillTokens;
  }

  /** Microseconds of a decode run, all stages together; 0 before the first. */
  get decodeUs(): number {
    return this.#decodeUs;
  }

  /** The largest power of two that stays within the budget: few distinct lengths, so few distinct bindings in the runners. */
  chunkTokens(budgetMs: number): number {
    if (this.#prefillTokens === 0) return CHUNK_TOKENS_FIRST;
    const affordable = (budgetMs * 1_000) / this.prefillTokenUs;
    let tokens = CHUNK_TOKENS_MIN;
    while (tokens * 2 <= Math.min(affordable, CHUNK_TOKENS_MAX)) tokens *= 2;
    return tokens;
  }
}
