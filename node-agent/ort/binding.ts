/**
 * A session with all its inputs and outputs bound to memory, made once per shape: a run then costs some microseconds and
 * allocates nothing. Binding one value as input and output lets a graph update it in place.
 */
import { assert } from "../../core/errors.ts";
import type { Pointer } from "./c-api.ts";
import type { RunOptions } from "./run-options.ts";
import type { Handle } from "./runtime.ts";
import type { Session } from "./session.ts";
import type { BoundValue } from "./value.ts";

export class Binding implements Disposable {
  readonly #session: Session;
  readonly #handle: Handle;
  /** Bound values must outlive the binding. */
  readonly #bound = new Set<BoundValue>();
  #running = 0;
  #disposed = false;

  constructor(session: Session) {
    this.#session = session;
    this.#handle = session.runtime.own("binding", session.runtime.make(session.runtime.api.calls.CreateIoBinding, session.pointer));
  }

  /** @throws ServingError INTERNAL when the graph has no such input. */
  input(name: string, value: BoundValue): this {
    this.#bound.add(value);
    const { runtime } = this.#session;
    runtime.check(runtime.api.calls.BindInput(this.#handle.pointer, name, value.pointer));
    return this;
  }

  /** @throws ServingError INTERNAL when the graph has no such output. */
  output(name: string, value: BoundValue): this {
    this.#bound.add(value);
    const { runtime } = this.#session;
    runtime.check(runtime.api.calls.BindOutput(this.#handle.pointer, name, value.pointer));
    return this;
  }

  /**
   * An output that the runtime makes, for shapes that are not known before. To be bound again before every run: the binding keeps
   * what the last one made.
   */
  freeOutput(name: string): this {
    const { runtime } = this.#session;
    runtime.check(runtime.api.calls.BindOutputToDevice(this.#handle.pointer, name, runtime.cpuMemory));
    return this;
  }

  /** All outputs after a run, in the order in which they were bound first; the caller disposes them. */
  outputValues(): readonly Handle[] {
    const { runtime } = this.#session;
    const { calls, memory } = runtime.api;
    const count = new BigUint64Array(1);
    const array: [Pointer] = [null];
    runtime.check(calls.GetBoundOutputValues(this.#handle.pointer, runtime.allocator, array, count));
    const pointers = memory.pointers(array[0], Number(count[0]));
    if (array[0] !== null) runtime.check(calls.AllocatorFree(runtime.allocator, array[0]));
    return pointers.map((pointer) => runtime.own("value", pointer));
  }

  /** Runs on this thread, which is blocked until the end. @throws ServingError INTERNAL with the runtime's text. */
  run(): void {
    assert(!this.#disposed, "a disposed binding is run");
    const { runtime } = this.#session;
    runtime.check(runtime.api.calls.RunWithBinding(this.#session.pointer, null, this.#handle.pointer));
  }

  /**
   * Runs on another thread; `options.terminate()` ends it between two nodes of the graph. Disposing the binding meanwhile takes
   * effect at the end of the run; the session and the values must live until then.
   * @throws ServingError INTERNAL with the runtime's text.
   */
  async runAsync(options?: RunOptions): Promise<void> {
    assert(!this.#disposed, "a disposed binding is run");
    const { runtime } = this.#session;
    const { RunWithBinding } = runtime.api.calls;
    this.#running++;
    try {
      const status = await new Promise<Pointer>((resolve, reject) => {
        const done = (error: unknown, result: Pointer) => (error === null || error === undefined ? resolve(result) : reject(error));
        RunWithBinding.async(this.#session.pointer, options?.pointer ?? null, this.#handle.pointer, done);
      });
      runtime.check(status);
    } finally {
      this.#running--;
      if (this.#disposed) this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    if (this.#running > 0) return;
    this.#handle[Symbol.dispose]();
    this.#bound.clear();
  }
}
