/** An inference on an agent in this process: one promise, and nothing else between the door and the model's queue. */
import type { Memory } from "../../core/bytes/lent-memory.ts";
import type { ServingError } from "../../core/errors.ts";
import type { InferResult, InferSubmit, InferTimes } from "../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../core/messages/infer-sink.ts";
import type { ParameterValues } from "../../core/messages/parameter-value.ts";
import type { NearAgent } from "../../core/near-agents.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";

/**
 * @param counted disposed of when it is answered, has failed or was given up, or is not taken
 * @returns undefined: the agent does not take it
 * @throws what the agent refuses it with; the promise is rejected with what it fails with, or with the signal's reason
 */
export function inferNear(
  agent: NearAgent,
  submit: InferSubmit,
  signal: AbortSignal,
  counted: Disposable,
): Promise<InferResult> | undefined {
  const near = new NearInference(signal, counted);
  try {
    signal.throwIfAborted();
    if (near.start(agent, submit)) return near.result;
  } catch (thrown) {
    counted[Symbol.dispose]();
    throw thrown;
  }
  counted[Symbol.dispose]();
  return undefined;
}

class NearInference implements InferSink {
  readonly result: Promise<InferResult>;
  readonly #signal: AbortSignal;
  readonly #counted: Disposable;
  readonly #onAbort = (): void => this.#abort();
  #resolve: (result: InferResult) => void = () => {};
  #reject: (reason: unknown) => void = () => {};
  #handle: InferHandle | undefined;

  constructor(signal: AbortSignal, counted: Disposable) {
    this.#signal = signal;
    this.#counted = counted;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  start(agent: NearAgent, submit: InferSubmit): boolean {
    this.#handle = agent.infer(submit, this);
    if (this.#handle !== undefined) this.#signal.addEventListener("abort", this.#onAbort);
    return this.#handle !== undefined;
  }

  answered(outputs: readonly Tensor[], times: InferTimes, parameters?: ParameterValues, memory?: Memory): void {
    this.#end();
    this.#resolve({ outputs, times, parameters, memory });
  }

  failed(error: ServingError): void {
    this.#end();
    this.#reject(error);
  }

  #abort(): void {
    this.#end();
    this.#handle?.cancel();
    this.#reject(this.#signal.reason);
  }

  #end(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#counted[Symbol.dispose]();
  }
}
