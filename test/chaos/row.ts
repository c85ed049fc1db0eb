/** What a row of the chaos run is: a promise, a fault that should not break it, and what is switched off so that it does. */
import type { ShardCache } from "../support/replica.ts";

/** How one run of a row is made. */
export interface RowRun {
  readonly seed: bigint;
  /** Whether what should keep the promise is there; without it the same run must fail. */
  readonly protected: boolean;
  /** How often rows that kill one thing after another do so; their own number unless said. */
  readonly kills?: number | undefined;
  /** Shards that all rows share. */
  readonly cache: ShardCache;
}

export interface Verdict {
  /** By what was counted. */
  readonly holds: boolean;
  /** Within the limits of time, where there are any; they mean something on a machine that does nothing else. */
  readonly inTime?: boolean;
  /** In the order of the line: `n`, what was seen, `limit`. */
  readonly figures: Readonly<Record<string, string | number>>;
  /** What went wrong, in the words of who noticed. */
  readonly errors?: readonly string[];
}

export interface Row {
  /** Of the reliability promises, `P04`: rows are chosen by it. */
  readonly promise: string;
  /** The fault, in small letters with hyphens. */
  readonly name: string;
  /** For `--help`: what is done to what, and what nobody may notice. */
  readonly about: string;
  /** What `protected: false` takes away, or what protects and cannot be taken away. */
  readonly protection: string | { readonly always: string };
  readonly run: (run: RowRun) => Promise<Verdict>;
}
