/**
 * Shows that stages still work while nobody uses them, so that a replica that says it is ready is. Live traffic is as good as a
 * canary: after so long without a step, one generation of two tokens goes through every stage.
 */
import { deadlineSignal } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { GenerationEngine } from "../engines/generation-engine.ts";

const IDLE_MS = 5_000;
/** Far longer than two tokens take, on a machine that is busy with something else, too. */
const LIMIT_MS = 5_000;

export interface IdleCanaryOptions {
  readonly engine: Pick<GenerationEngine, "canary" | "counters">;
  /** For messages. */
  readonly model: string;
  readonly clock: Clock;
  readonly onFailed: (error: ServingError) => void;
}

/** From its making to its disposal. After a failure it says nothing more. */
export class IdleCanary implements Disposable {
  readonly #options: IdleCanaryOptions;
  readonly #stop = new AbortController();
  #takeBack: () => void = () => {};

  constructor(options: IdleCanaryOptions) {
    this.#options = options;
    this.#wait();
  }

  [Symbol.dispose](): void {
    this.#takeBack();
    this.#stop.abort(new ServingError("CANCELLED", "the stages are left"));
  }

  #wait(): void {
    const { clock, engine } = this.#options;
    const { steps } = engine.counters;
    this.#takeBack = clock.after(IDLE_MS, () => {
      if (engine.counters.steps === steps) void this.#send();
      else this.#wait();
    });
  }

  async #send(): Promise<void> {
    const { clock, engine, model, onFailed } = this.#options;
    using limit = deadlineSignal(clock, LIMIT_MS, this.#stop.signal);
    try {
      await engine.canary(limit.signal);
      this.#wait();
    } catch (cause) {
      if (this.#stop.signal.aborted) return;
      const message = `a canary did not come through the stages of model ${model} within ${LIMIT_MS} ms: ${ServingError.from(cause).message}`;
      onFailed(new ServingError("UNAVAILABLE", message, { cause }));
    }
  }
}
