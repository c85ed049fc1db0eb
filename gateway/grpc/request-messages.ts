/** Takes a call's messages from its stream, within what all calls may hold together. */
import type { LentMemory } from "../../core/bytes/lent-memory.ts";
import { type Encoding, inflated } from "./compression.ts";
import { type Frame, MessageReader } from "./message-reader.ts";
import type { RequestBudget } from "./request-budget.ts";
import type { Turns } from "./turns.ts";

/** What the calls of a server share. */
export interface ReadingLimits {
  readonly budget: RequestBudget;
  /** Inflating grows what it reads up to the limit: few do so at once. */
  readonly inflating: Turns;
  /** For large messages. */
  readonly memory: LentMemory;
}

export class RequestMessages {
  readonly #limits: ReadingLimits;
  readonly #messageBytesMax: number;
  readonly #encoding: Encoding;
  readonly #reader: MessageReader;
  #held = 0;

  /** @param messageBytesMax of one message, as sent and inflated */
  constructor(limits: ReadingLimits, messageBytesMax: number, encoding: Encoding) {
    this.#limits = limits;
    this.#messageBytesMax = messageBytesMax;
    this.#encoding = encoding;
    this.#reader = new MessageReader(messageBytesMax, limits.memory);
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
    const bytes = await this.#limits.inflating.run(() => inflated(frame.bytes, this.#encoding, this.#messageBytesMax));
    this.#take(bytes.byteLength);
    return bytes;
  }

  /** To be called when nobody needs the messages any more; more may follow. */
  release(): void {
    this.#limits.budget.giveBack(this.#held);
    this.#held = 0;
  }

  #take(bytes: number): void {
    this.#limits.budget.take(bytes);
    this.#held += bytes;
  }
}
