/**
 * Runners that are started before they are needed: the next one that somebody asks for has its process, its program and the runtime's
 * library already, and only opens its shard. Nodes that never ask have none.
 */
import type { Clock } from "../../core/clock.ts";
import type { RunnerFactory, RunnerHandle } from "../../core/wire/runner-handle.ts";

/** Starting one takes a core for a moment, which whoever was just started needs more. */
const REFILL_AFTER_MS = 3_000;

export class StandbyRunners implements RunnerFactory, AsyncDisposable {
  readonly #factory: RunnerFactory;
  readonly #clock: Clock;
  readonly #wanted: number;
  readonly #waiting: RunnerHandle[] = [];
  #takeBack: (() => void) | undefined;
  #closed = false;

  /** @param wanted how many to keep; 0: each is started when it is asked for */
  constructor(factory: RunnerFactory, { wanted, clock }: { readonly wanted: number; readonly clock: Clock }) {
    this.#factory = factory;
    this.#wanted = wanted;
    this.#clock = clock;
  }

  start(): RunnerHandle {
    const runner = this.#waiting.shift() ?? this.#factory.start();
    this.#refillSoon();
    return runner;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#takeBack?.();
    await Promise.all(this.#waiting.splice(0).map((runner) => runner.close()));
  }

  #refillSoon(): void {
    if (this.#closed || this.#waiting.length >= this.#wanted) return;
    this.#takeBack ??= this.#clock.after(REFILL_AFTER_MS, () => this.#refill());
  }

  #refill(): void {
    this.#takeBack = undefined;
    while (this.#waiting.length < this.#wanted) {
      const runner = this.#factory.start();
      this.#waiting.push(runner);
      void runner.exited.then(() => this.#forget(runner)); // never rejects
    }
  }

  /** One that dies while it waits is of no use. */
  #forget(runner: RunnerHandle): void {
    const index = this.#waiting.indexOf(runner);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    this.#refillSoon();
  }
}
