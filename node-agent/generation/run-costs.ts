/** What runs cost on these stages, learned from their results, and how long a chunk may be for it. Pure. */
import { REPLAY_TOKENS_MAX } from "../../core/wire/step-check.ts";

export const CHUNK_TOKENS_MIN = 16;
export const CHUNK_TOKENS_MAX = 256;
/** Until something is measured. */
const CHUNK_TOKENS_FIRST = 32;
const TOKEN_US_FIRST = 1_000;
/** A measured run loses weight by a factor e for so many tokens that come after it. */
const MEMORY_TOKENS = 256;
const DECODE_WEIGHT = 0.1;

/** Of runs over several tokens of one sequence. */
export class ChunkCosts {
  readonly #tokensMax: number;
  #us = 0;
  #tokens = 0;

  /** @param tokensMax of a chunk, whatever it costs */
  constructor(tokensMax: number) {
    this.#tokensMax = tokensMax;
  }

  /** Takes the slowest stage: that is what other steps wait for. */
  observe(tokens: number, stageUs: readonly number[]): void {
    const slowestUs = stageUs.reduce((most, us) => Math.max(most, us), 0);
    if (slowestUs <= 0) return;
    const kept = Math.exp(-tokens / MEMORY_TOKENS);
    this.#us = this.#us * kept + slowestUs;
    this.#tokens = this.#tokens * kept + tokens;
  }

  /** Microseconds that a token takes on the slowest stage. */
  get tokenUs(): number {
    return this.#tokens === 0 ? TOKEN_US_FIRST : this.#us / this.#tokens;
  }

  /** The largest power of two that stays within the budget: few distinct lengths, so few distinct bindings in the runners. */
  chunkTokens(budgetMs: number): number {
    if (this.#tokens === 0) return CHUNK_TOKENS_FIRST;
    const affordable = (budgetMs * 1_000) / this.tokenUs;
    let tokens = CHUNK_TOKENS_MIN;
    while (tokens * 2 <= Math.min(affordable, this.#tokensMax)) tokens *= 2;
    return tokens;
  }
}

export class RunCosts {
  readonly prefill = new ChunkCosts(CHUNK_TOKENS_MAX);
  readonly replay = new ChunkCosts(REPLAY_TOKENS_MAX);
  #decodeUs = 0;

  observeDecode(stageUs: readonly number[]): void {
    const us = stageUs.reduce((sum, one) => sum + one, 0);
    this.#decodeUs = this.#decodeUs === 0 ? us : this.#decodeUs + DECODE_WEIGHT * (us - this.#decodeUs);
  }

  /** Microseconds of a decode run, all stages together; 0 before the first. */
  get decodeUs(): number {
    return this.#decodeUs;
  }
}
