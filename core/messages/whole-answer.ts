/** An answer that is one whole, put together from the frames that carry its parts. Pure. */
import { joinedBytes } from "../bytes/joined-bytes.ts";
import { ServingError } from "../errors.ts";
import { failureOf } from "./failed-answer.ts";
import type { AnswerFrame } from "./generation.ts";

export interface WholeAnswerOptions {
  /** Names the answer in errors. */
  readonly what: string;
  readonly bytesMax: number;
}

export class WholeAnswer {
  readonly #options: WholeAnswerOptions;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(options: WholeAnswerOptions) {
    this.#options = options;
  }

  /**
   * @throws what the other end failed with; ServingError ABORTED with the refusal's reason when it did not execute after all,
   * RESOURCE_EXHAUSTED when there is more than `bytesMax`, INTERNAL for anything but parts
   */
  push(frame: AnswerFrame): void {
    if (frame.kind === "part") this.add(frame.bytes);
    else if (frame.kind === "failed") throw failureOf(frame);
    else if (frame.kind === "refused") throw new ServingError("ABORTED", frame.message, { reason: frame.reason });
    else throw new ServingError("INTERNAL", `${frame.kind} was answered instead of ${this.#options.what}`);
  }

  /** @throws ServingError RESOURCE_EXHAUSTED */
  add(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#bytes += bytes.byteLength;
    const { what, bytesMax } = this.#options;
    if (this.#bytes > bytesMax) throw new ServingError("RESOURCE_EXHAUSTED", `${what} is over the limit of ${bytesMax} bytes`);
  }

  /** What has come since the last call. */
  take(): Uint8Array {
    const bytes = joinedBytes(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    return bytes;
  }
}
