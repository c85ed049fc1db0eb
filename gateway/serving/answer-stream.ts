/** The gateway's end of a request's link stream: answer frames, pulled. What is not pulled gives no credit back, so the agent waits. */
import { LINK_LOST, ServingError } from "../../core/errors.ts";
import type { LinkStream, StreamEnd } from "../../core/link/link.ts";
import { decodeAnswer } from "../../core/messages/answer-codec.ts";
import { type AnswerFrame, TAKEN_OVER, UNREAD } from "../../core/messages/generation.ts";
import { encodeCancelChoice } from "../../core/messages/submit-frames.ts";
import { resumedElsewhere } from "./generation/generation-record.ts";

const nobodyMinds = () => {};

export interface AnswerStreamOptions {
  readonly stream: LinkStream;
  /** Names the peer in errors. */
  readonly node: string;
  /** Its abort resets the stream at once, pulled or not. */
  readonly signal: AbortSignal;
  /** Let go of with the stream. */
  readonly attached?: Disposable | undefined;
}

export class AnswerStream implements Disposable {
  readonly #stream: LinkStream;
  readonly #node: string;
  readonly #signal: AbortSignal;
  readonly #attached: Disposable | undefined;
  readonly #onAbort: () => void;
  /** Bounded by the stream's credit. */
  #frames: Uint8Array[] = [];
  /** Frames that wait for credit. */
  #toWrite: Uint8Array[] = [];
  /** No frames follow those that are here. */
  #ended = false;
  /** Why not, if that is not as it should be; thrown after the last frame. */
  #failure: ServingError | undefined;
  /** This end has ended or reset the stream. */
  #over = false;
  /** Frames handed out whose credit goes back when the next ones are asked for. */
  #handedOut = 0;
  #wake: () => void = () => {};
  #onSuspected = nobodyMinds;

  /** @throws the signal's reason when it has aborted. */
  constructor(options: AnswerStreamOptions) {
    this.#stream = options.stream;
    this.#node = options.node;
    this.#signal = options.signal;
    this.#attached = options.attached;
    this.#onAbort = () => {
      this.#frames = [];
      this.reset("canceled");
      this.#wake();
    };
    this.#signal.throwIfAborted();
    this.#signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#stream.listen({
      frame: (payload) => {
        this.#frames.push(payload);
        this.#wake();
      },
      ended: (end) => {
        this.#ended = true;
        this.#failure ??= failureOf(end, this.#node);
        this.#wake();
      },
      writable: () => this.#writeOn(),
      suspected: () => this.#onSuspected(),
    });
  }

  /** Called when the link is silent, though not for so long that it is taken for lost; a later call replaces the listener. */
  onSuspected(listener: () => void): void {
    this.#onSuspected = listener;
  }

  /** Writes frames one after another, as fast as the agent takes them. */
  write(frames: readonly Uint8Array[]): void {
    this.#toWrite.push(...frames);
    this.#writeOn();
  }

  /**
   * The next frame; undefined after the agent's end.
   * @throws the signal's reason; ServingError UNAVAILABLE when the link is lost or the agent gives up, INTERNAL for nonsense.
   */
  async next(): Promise<AnswerFrame | undefined> {
    await this.#ready();
    return this.#take(1)[0];
  }

  /** All frames that are there, at least one; empty after the agent's end. Throws as `next` does. */
  async pull(): Promise<readonly AnswerFrame[]> {
    await this.#ready();
    return this.#take(this.#frames.length);
  }

  cancelChoice(choice: number): void {
    if (this.#over || this.#ended) return;
    this.#stream.write(encodeCancelChoice({ kind: "cancel-choice", choice }));
  }

  /** Nothing more will be written, answers still come. */
  doneWriting(): void {
    this.#stream.end();
  }

  /** All that was asked for is here. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.end();
  }

  /** No more is wanted: the agent stops before its next step. */
  reset(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.reset(reason);
  }

  /** As `reset`; who pulls gets `error`. */
  fail(error: ServingError): void {
    this.#ended = true;
    this.#failure ??= error;
    this.reset(error.message);
    this.#wake();
  }

  /** Resets the stream unless it has ended. */
  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.reset("canceled");
    this.#attached?.[Symbol.dispose]();
  }

  #writeOn(): void {
    let written = 0;
    while (this.#stream.credit > 0 && written < this.#toWrite.length) {
      const frame = this.#toWrite[written];
      if (frame !== undefined) this.#stream.write(frame);
      written += 1;
    }
    this.#toWrite.splice(0, written);
  }

  async #ready(): Promise<void> {
    this.#stream.consumed(this.#handedOut);
    this.#handedOut = 0;
    while (this.#frames.length === 0 && !this.#ended && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#signal.throwIfAborted();
    if (this.#frames.length === 0 && this.#failure !== undefined) throw this.#failure;
  }

  #take(count: number): readonly AnswerFrame[] {
    const frames = this.#frames.splice(0, count);
    this.#handedOut = frames.length;
    try {
      return frames.map(decodeAnswer);
    } catch (cause) {
      this.reset("the answer does not fit");
      throw new ServingError("INTERNAL", `node ${this.#node} sent an answer that does not fit`, { cause });
    }
  }
}

function failureOf(end: StreamEnd, node: string): ServingError | undefined {
  switch (end.kind) {
    case "end":
      return undefined;
    case "lost":
      return new ServingError("UNAVAILABLE", `the connection to node ${node} was lost: send the request again`, { reason: LINK_LOST });
    case "reset":
      if (end.reason === TAKEN_OVER) return resumedElsewhere();
      if (end.reason === UNREAD)
        return new ServingError("UNAVAILABLE", `node ${node} gave the request up: ${UNREAD}`, { reason: "unread" });
      return new ServingError("UNAVAILABLE", `node ${node} gave the request up: ${end.reason}`, { reason: "reset_by_node" });
  }
}
