/** What every benchmark of a run shares. */
import type { Logger } from "../core/telemetry/logger.ts";
import type { LlamaCpp } from "./peers/llama-cpp.ts";

export interface BenchContext {
  readonly model: string;
  readonly modelFile: string;
  readonly folders: { readonly repositoryFolder: string; readonly cacheFolder: string };
  readonly peer: LlamaCpp;
  readonly rounds: number;
  readonly threads: readonly number[];
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Whether a part was asked for; all are when none is named. */
  wants(part: string): boolean;
  say(line: string): void;
}
