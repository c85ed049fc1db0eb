/** Runs a streaming call: messages both ways, each pulled by whoever takes them. */
import { pooledCopy } from "../../core/bytes/pooled-bytes.ts";
import { ServingError } from "../../core/errors.ts";
import type { StreamHandler } from "../http2/server-stream.ts";
import type { StreamingMethod } from "./method.ts";
import type { RequestMessages } from "./request-messages.ts";
import type { CallRun, RunningCall } from "./running-call.ts";

/** Up to this size parts that wait are joined: many small ones would take memory out of proportion. */
const JOINED_BYTES_MAX = 4 * 1024;

export class StreamingRun implements StreamHandler, CallRun {
  readonly #call: RunningCall;
  readonly #messages: RequestMessages;
  /** What has come and was not pulled: the client may send no more than its window. */
  readonly #chunks: Uint8Array[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(call: RunningCall, messages: RequestMessages) {
    this.#call = call;
    this.#messages = messages;
    call.run = this;
  }

  data(bytes: Uint8Array): void {
    const last = this.#chunks.at(-1);
    if (last === undefined || last.byteLength + bytes.byteLength > JOINED_BYTES_MAX) this.#chunks.push(pooledCopy(bytes));
    else this.#chunks[this.#chunks.length - 1] = Buffer.concat([last, bytes]);
    this.#wakeUp();
  }

  end(): void {
    this.#ended = true;
    this.#wakeUp();
  }

  gone(why: "canceled" | "unread"): void {
    this.#call.gone(why);
  }

  stopped(): void {
    this.#wakeUp();
  }

  drained(): void {
    this.#call.drained();
  }

  /** @param done called once, when the handler has ended */
  async run(method: StreamingMethod, done: () => void): Promise<void> {
    const call = this.#call;
    try {
      for await (const message of method.handle(this.#requests(), call)) {
        const caughtUp = call.write(message);
        if (caughtUp !== undefined) await caughtUp;
        if (call.ended) break;
      }
      call.finish();
    } catch (thrown) {
      call.fail(ServingError.from(call.reason ?? thrown));
    } finally {
      this.#messages.release();
      done();
    }
  }

  /**
   * The client's messages until it closes its half. What is not pulled stays with the client.
   * @throws ServingError the signal's reason when the call ends before; what is wrong with the bytes
   */
  async *#requests(): AsyncGenerator<Uint8Array> {
    const messages = this.#messages;
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) {
      for (const frame of messages.push(chunk)) yield frame.compressed ? await messages.inflated(frame) : frame.bytes;
      if (!messages.partial) messages.release();
    }
    if (messages.partial) throw new ServingError("INTERNAL", "the client closed its half of the stream inside a message");
  }

  /** @throws ServingError the call's reason when it was stopped */
  async #next(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && !this.#ended && this.#call.reason === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#call.reason !== undefined) throw this.#call.reason;
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.#call.stream.use(chunk.byteLength);
    return chunk;
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
