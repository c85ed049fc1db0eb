/** What all requests that are being read or handled may hold together. */
import { ServingError } from "../../core/errors.ts";

export class RequestBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @throws ServingError RESOURCE_EXHAUSTED; nothing is taken then */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      throw new ServingError("RESOURCE_EXHAUSTED", "too many large requests at once: try again", { reason: "requests_too_large_together" });
    }
    this.#bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}
