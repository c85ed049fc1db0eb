/** What can be done to a run that is under way. */
import type { Pointer } from "./c-api.ts";
import type { Handle, OrtRuntime } from "./runtime.ts";

export class RunOptions implements Disposable {
  readonly #runtime: OrtRuntime;
  readonly #handle: Handle;

  constructor(runtime: OrtRuntime) {
    this.#runtime = runtime;
    this.#handle = runtime.own("run options", runtime.make(runtime.api.calls.CreateRunOptions));
  }

  get pointer(): Pointer {
    return this.#handle.pointer;
  }

  /** Runs with these options end with an error at the next node of their graph, those to come too, until `proceed`. */
  terminate(): void {
    this.#runtime.check(this.#runtime.api.calls.RunOptionsSetTerminate(this.#handle.pointer));
  }

  proceed(): void {
    this.#runtime.check(this.#runtime.api.calls.RunOptionsUnsetTerminate(this.#handle.pointer));
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]();
  }
}
