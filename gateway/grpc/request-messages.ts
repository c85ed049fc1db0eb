/** Takes a call's messages from its stream, within what all calls may hold together. */
import { ServingError } from "../../core/errors.ts";
import type { BodyBudget } from "../http/body.ts";
import { type Encoding, inflated } from "./compression.ts";
import { type Frame, MessageReader } from "./message-reader.ts";
import type { Turns } from "./turns.ts";

export interface ReadingLimits {
  readonly messageBytesMax: number;
  readonly budget: BodyBudget;
  /** Inflating grows what it reads up to the limit: few do so at once. */
  readonly inflating: Turns;
}

export class RequestMessages {
  readonly #limits: ReadingLimits;
  readonly #encoding: Encoding;
  readonly #reader: MessageReader;
  #held = 0;

  constructor(limits: ReadingLimits, encoding: Encoding) {
    this.#limits = limits;
    this.#encoding = encoding;
    this.#reader = new MessageReader(limits.messageBytesMax);
  }

  /** Whether a message has begun and not ended. */
  get partial(): boolean {
    return this.#reader.partial;
  }

  /** @returns the messages that `chunk` completes. @throws ServingError RESOURCE_EXHAUSTED when one is, or all together are, too large */
  push(chunk: Uint8Array): readonly Frame[] {
    this.#take(chunk.byteLength);
    return this.#reader.push(chunk);
  }

  /** @throws ServingError RESOURCE_EXHAUSTED, or INTERNAL for bytes that are not compressed as the call says */
  async inflated(frame: Frame): Promise<Uint8Array> {
    if (!frame.compressed) return frame.bytes;
    const { messageBytesMax, inflating } = this.#limits;
    const bytes = await inflating.run(() => inflated(frame.bytes, this.#encoding, messageBytesMax));
    this.#take(bytes.byteLength);
    return bytes;
  }

  /** To be called when nobody needs the messages any more; more may follow. */
  release(): void {
    this.#limits.budget.giveBack(this.#held);
    this.#held = 0;
  }

  #take(bytes: number): void {
    if (!this.#limits.budget.take(bytes)) {
      throw new ServingError("RESOURCE_EXHAUSTED", "too many large requests at once: try again", { reason: "requests_too_large_together" });
    }
    this.#held += bytes;
  }
}
