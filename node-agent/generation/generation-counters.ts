/** What a lead has done, for metrics: counted in one object that outlives epochs. Pure. */

export interface GenerationCounters {
  readonly steps: number;
  readonly prefillRuns: number;
  readonly replayRuns: number;
  readonly decodeRuns: number;
  /** Tokens in prefill runs, dummies and siblings' own last tokens included. */
  readonly tokensPrefilled: number;
  /** Tokens of prompts that a slot held already. */
  readonly tokensShared: number;
  /** Rows of decode runs that belong to a sequence. */
  readonly tokensDecoded: number;
  /** Tokens that were known, in replays and in decode runs: a cache was built again. */
  readonly tokensReplayed: number;
  /** Rows of decode runs that belong to nobody. */
  readonly rowsIdle: number;
  /** Slots copied, to close holes, to even out micro-batches and to share prompts. */
  readonly copies: number;
  readonly tokensCopied: number;
  /** Tokens that went to their generations. */
  readonly tokensEmitted: number;
  /** Sequences that got a slot, and the milliseconds that they waited for it, all together. */
  readonly admitted: number;
  readonly queueWaitMs: number;
}

export type MutableCounters = { -readonly [Name in keyof GenerationCounters]: number };

export function createCounters(): MutableCounters {
  return {
    steps: 0,
    prefillRuns: 0,
    replayRuns: 0,
    decodeRuns: 0,
    tokensPrefilled: 0,
    tokensShared: 0,
    tokensDecoded: 0,
    tokensReplayed: 0,
    rowsIdle: 0,
    copies: 0,
    tokensCopied: 0,
    tokensEmitted: 0,
    admitted: 0,
    queueWaitMs: 0,
  };
}
