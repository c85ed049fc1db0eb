/** Runs a model's warm-up: each sample is one request, whose answers nobody wants. */
import { ServingError } from "../../core/errors.ts";
import { NO_PARAMETERS } from "../../core/messages/parameter-value.ts";
import { tensorOf } from "../../core/tensor/tensor.ts";
import type { WarmUp } from "../engines/batch/batch-plan.ts";
import type { BackendRequest, BackendResponse, ResponseSender } from "./backend.ts";

/** @throws ServingError in Triton's words */
export async function warm({ name, batch, count }: WarmUp, execute: (requests: readonly BackendRequest[]) => Promise<void>): Promise<void> {
  const inputs = batch.inputs.map(({ head, parts }) => tensorOf(head, parts));
  try {
    for (let turn = 0; turn < count; turn++) {
      const sender = new WarmUpSender();
      await execute([{ id: "", parameters: NO_PARAMETERS, inputs, outputs: batch.outputs, timeoutUs: 0, from: undefined, sender }]);
      await sender.ended;
    }
  } catch (cause) {
    const { code, message } = ServingError.from(cause);
    throw new ServingError(code, `failed to run warmup sample '${name}': ${message}`, { cause });
  }
}

class WarmUpSender implements ResponseSender {
  readonly isCanceled = false;
  readonly signal = new AbortController().signal;
  readonly #end = Promise.withResolvers<void>();

  constructor() {
    this.#end.promise.catch(() => {}); // where executing fails that is told instead
  }

  /** Rejects when an answer was a failure. */
  get ended(): Promise<void> {
    return this.#end.promise;
  }

  send(response: BackendResponse): undefined {
    if (response instanceof ServingError) this.#end.reject(response);
  }

  end(last?: BackendResponse): void {
    if (last instanceof ServingError) this.#end.reject(last);
    else this.#end.resolve();
  }
}
