/** What a row of the chaos run is: a promise, a fault that should not break it, and what is switched off so that it does. */
import type { ShardCache } from "../support/replica.ts";
import type { Mutation } from "./mutation.ts";
import type { Environment } from "./preloaded.ts";

/** How one run of a row is made. */
export interface RowRun {
  readonly seed: bigint;
  /** Whether what should keep the promise is there; without it the same run must fail. */
  readonly protected: boolean;
  /** How often rows that kill one thing after another do so; their own number unless said. */
  readonly kills?: number | undefined;
  /** Of all of the product's processes: it carries out the row's mutations when the run is not protected. */
  readonly environment: Environment;
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
  /** What `protected: false` takes away. */
  readonly protection: string;
  /** How, where no flag or client can: by changes of the product's source in the processes of that run. */
  readonly mutations?: readonly Mutation[];
  readonly run: (run: RowRun) => Promise<Verdict>;
}
