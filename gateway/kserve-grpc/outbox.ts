/** Messages on their way out of a stream: put in by the requests that run, taken out as fast as the client reads. */
import type { Message } from "../grpc/method.ts";

/** Waiting messages that hold back whoever would put in more. */
const WAITING_MAX = 64;

export class Outbox {
  readonly #waiting: Message[] = [];
  #end: { readonly thrown: unknown } | "open" | "closed" = "open";
  /** Wakes the reader. */
  #filled: (() => void) | undefined;
  /** Wakes the writers. */
  #emptied: (() => void)[] = [];

  /** Resolves when there is room for more. What comes after the end is dropped. */
  async put(message: Message): Promise<void> {
    if (this.#end !== "open") return;
    this.#waiting.push(message);
    this.#wakeReader();
    if (this.#waiting.length >= WAITING_MAX) await new Promise<void>((resolve) => this.#emptied.push(resolve));
  }

  /** Nothing more comes. */
  close(): void {
    this.#endWith("closed");
  }

  /** The reader gets what is waiting, then this. Only the first end counts. */
  fail(thrown: unknown): void {
    this.#endWith({ thrown });
  }

  /** Lets everybody go: nobody reads any more. */
  drop(): void {
    this.#endWith("closed");
    this.#waiting.length = 0;
    this.#wakeWriters();
  }

  /** For one reader. @throws what `fail` was given */
  async *messages(): AsyncGenerator<Message> {
    for (;;) {
      const batch = this.#waiting.splice(0);
      if (batch.length > 0) {
        this.#wakeWriters();
        yield* batch;
      } else if (this.#end === "closed") {
        return;
      } else if (this.#end !== "open") {
        throw this.#end.thrown;
      } else {
        await new Promise<void>((resolve) => {
          this.#filled = resolve;
        });
      }
    }
  }

  #endWith(end: "closed" | { readonly thrown: unknown }): void {
    if (this.#end === "open") this.#end = end;
    this.#wakeReader();
  }

  #wakeReader(): void {
    this.#filled?.();
    this.#filled = undefined;
  }

  #wakeWriters(): void {
    for (const resolve of this.#emptied.splice(0)) resolve();
  }
}
