/** Runs a unary call: one whole message in, the handler, one message out. */
import { ServingError } from "../../core/errors.ts";
import type { StreamHandler } from "../http2/server-stream.ts";
import type { Frame } from "./message-reader.ts";
import type { Message, UnaryMethod } from "./method.ts";
import type { RequestMessages } from "./request-messages.ts";
import type { CallRun, RunningCall } from "./running-call.ts";

export class UnaryRun implements StreamHandler, CallRun {
  readonly #method: UnaryMethod;
  readonly #call: RunningCall;
  readonly #messages: RequestMessages;
  readonly #done: () => void;
  #request: Frame | undefined;
  #settled = false;

  /** @param done called once, when the handler has ended and its answer is written */
  constructor(method: UnaryMethod, call: RunningCall, messages: RequestMessages, done: () => void) {
    this.#method = method;
    this.#call = call;
    this.#messages = messages;
    this.#done = done;
    call.run = this;
    call.awaitRequest(true);
  }

  data(bytes: Uint8Array): void {
    this.#call.awaitRequest(true);
    this.#call.stream.use(bytes.byteLength);
    try {
      for (const frame of this.#messages.push(bytes)) {
        if (this.#request !== undefined) {
          throw new ServingError("UNIMPLEMENTED", `${this.#method.method} takes one message, and the client sent more`);
        }
        this.#request = frame;
      }
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  end(): void {
    this.#call.awaitRequest(false);
    if (this.#request !== undefined && !this.#messages.partial) {
      this.#handle(this.#request);
      return;
    }
    const sent = this.#messages.partial ? "a part of one" : "none";
    this.#fail(new ServingError("INTERNAL", `${this.#method.method} takes one message, and the client sent ${sent}`));
  }

  gone(why: "canceled" | "unread"): void {
    this.#call.gone(why);
  }

  stopped(): void {
    if (!this.#call.stream.requestEnded) this.#settle(); // before its end there is no handler to wait for
  }

  drained(): void {
    this.#call.drained();
  }

  /** Without waiting where nothing has to be waited for: this is the path of every small request. */
  #handle(frame: Frame): void {
    const [method, call] = [this.#method, this.#call];
    try {
      const outcome = frame.compressed
        ? this.#messages.inflated(frame).then((bytes) => method.handle(bytes, call))
        : method.handle(frame.bytes, call, frame.memory);
      if (outcome instanceof Promise) outcome.then((message) => this.#answer(message)).catch((thrown: unknown) => this.#fail(thrown));
      else this.#answer(outcome);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #answer(message: Message): void {
    const written = this.#call.answer(message);
    if (written === undefined) this.#settle();
    else
      written.then(
        () => this.#settle(),
        (thrown: unknown) => this.#fail(thrown),
      );
  }

  #fail(thrown: unknown): void {
    this.#call.fail(ServingError.from(thrown));
    this.#settle();
  }

  #settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#messages.release();
    this.#done();
  }
}
