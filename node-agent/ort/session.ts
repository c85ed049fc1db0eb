/** A graph, loaded, optimized and ready to run. */
import type { Pointer } from "./c-api.ts";
import type { Handle, OrtRuntime } from "./runtime.ts";

export interface SessionOptions {
  /** Of the session's own pool, the calling thread included; 0: as many as there are cores; 1 unless said. */
  readonly threads?: number;
  /** Between operators, which then run side by side; one after another unless said. */
  readonly parallel?: { readonly threads: number };
  /** The runtime's level of graph optimization; every one unless said. */
  readonly optimization?: 0 | 1 | 2 | 99;
  /** Plan memory by shape: for shapes that come again; not unless said. */
  readonly memoryPattern?: boolean;
  /** Keep freed memory for the next run; yes unless said. */
  readonly memoryArena?: boolean;
  /** How long the pool's threads spin for the next node before they sleep; few cores are shared, so keep it short. */
  readonly spinDurationUs?: number;
  /** Further session configuration entries, as in onnxruntime_session_options_config_keys.h. */
  readonly config?: Readonly<Record<string, string>>;
}

const OPTIMIZE_ALL = 99;
const PARALLEL = 1;
const LOG_SEVERITY_ERROR = 3;
/** Better than spinning always or never, on quiet and on busy hosts, at two threads. */
const SPIN_DURATION_US = 20;

/** Disposing it frees the graph and its weights; its bindings go first. */
export class Session implements Disposable {
  readonly runtime: OrtRuntime;
  readonly #handle: Handle;

  /** @throws ServingError INTERNAL with the runtime's text when the file is missing or no graph that this runtime can run. */
  constructor(runtime: OrtRuntime, file: string, options: SessionOptions = {}) {
    const { calls } = runtime.api;
    this.runtime = runtime;
    using chosen = runtime.own("session options", runtime.make(calls.CreateSessionOptions));
    const threads = options.threads ?? 1;
    runtime.check(calls.SetIntraOpNumThreads(chosen.pointer, threads));
    runtime.check(calls.SetInterOpNumThreads(chosen.pointer, options.parallel?.threads ?? 1));
    if (options.parallel !== undefined) runtime.check(calls.SetSessionExecutionMode(chosen.pointer, PARALLEL));
    runtime.check(calls.SetSessionGraphOptimizationLevel(chosen.pointer, options.optimization ?? OPTIMIZE_ALL));
    if (options.memoryPattern !== true) runtime.check(calls.DisableMemPattern(chosen.pointer)); // shapes change from run to run
    if (options.memoryArena === false) runtime.check(calls.DisableCpuMemArena(chosen.pointer));
    runtime.check(calls.SetSessionLogSeverityLevel(chosen.pointer, LOG_SEVERITY_ERROR));
    const spinUs = options.spinDurationUs ?? SPIN_DURATION_US;
    const spin: Record<string, string> = threads !== 1 ? { "session.intra_op.spin_duration_us": String(spinUs) } : {};
    for (const [key, value] of Object.entries({ ...spin, ...options.config }))
      runtime.check(calls.AddSessionConfigEntry(chosen.pointer, key, value));
    this.#handle = runtime.own("session", runtime.make(calls.CreateSession, runtime.environment, file, chosen.pointer));
  }

  get pointer(): Pointer {
    return this.#handle.pointer;
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]();
  }
}
