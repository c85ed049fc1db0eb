/** The decoupled model `repeat`: as many answers as its input says, each with its number; a test may hold each of them. */
import { ServingError } from "../../core/errors.ts";
import { checkInferRequest } from "../../core/model/check-inputs.ts";
import type { InferRequest, InferResponse } from "../../gateway/serving/inference.ts";
import type { ModelCatalog } from "../../gateway/serving/model-catalog.ts";

export class ScriptedRepeat {
  readonly #catalog: ModelCatalog;
  readonly #pace: (index: number, signal: AbortSignal) => Promise<void>;
  /** Requests that have begun and not ended. */
  running = 0;
  /** Answers that were pulled. */
  pulled = 0;

  constructor(catalog: ModelCatalog, pace: (index: number, signal: AbortSignal) => Promise<void> = async () => undefined) {
    this.#catalog = catalog;
    this.#pace = pace;
  }

  /** @throws ServingError INVALID_ARGUMENT for a negative number */
  async *responses(request: InferRequest, signal: AbortSignal): AsyncGenerator<InferResponse> {
    const { name: model, version, ...view } = this.#catalog.view(request.model, request.version);
    checkInferRequest(request, { ...view, name: model });
    const count = Buffer.from(request.inputs[0]?.data ?? []).readInt32LE();
    if (count < 0) throw new ServingError("INVALID_ARGUMENT", "N is negative");
    this.running++;
    try {
      for (let index = 0; index < count; index++) {
        await this.#pace(index, signal);
        signal.throwIfAborted();
        this.pulled++;
        const data = Buffer.alloc(4);
        data.writeInt32LE(index);
        yield { model, version, parameters: new Map(), outputs: [{ name: "OUT", dtype: "INT32", shape: [1], data }] };
      }
    } finally {
      this.running--;
    }
  }
}
