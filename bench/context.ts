/** What every part of a benchmark run shares. */
import type { Logger } from "../core/telemetry/logger.ts";
import type { LlamaCpp } from "./peers/llama-cpp.ts";
import type { TritonServer } from "./peers/tritonserver.ts";
import type { Row } from "./table.ts";

export interface BenchContext {
  /** In the repository, as version 1. */
  readonly model: string;
  readonly modelFile: string;
  /** Where peers are kept, beside all else. */
  readonly cacheRoot: string;
  readonly folders: { readonly repositoryFolder: string; readonly cacheFolder: string };
  /** The peer of language models; built when it is first asked for. */
  peer(): Promise<LlamaCpp>;
  /** The peer of small models; installed when it is first asked for. */
  triton(): Promise<TritonServer>;
  readonly rounds: number;
  /** Thread counts of the comparison with llama.cpp. */
  readonly threads: readonly number[];
  readonly logger: Logger;
  /** Aborts when the run is stopped. */
  readonly signal: AbortSignal;
  say(line: string): void;
}

/** One part of a suite, asked for by its name. */
export interface BenchPart {
  readonly name: string;
  readonly help: string;
  /** Figures; lines about how it goes are said meanwhile. @throws ServingError, or the signal's reason when it aborts. */
  run(context: BenchContext): Promise<readonly Row[]>;
}
