/**
 * A resumable generation at its lead: everything that it came to, in order, so that any gateway may read it from any position, now
 * or later. One reads at a time, the newest. While nobody does it runs on, without credit.
 */
import type { Clock } from "../core/clock.ts";
import type { ServingError } from "../core/errors.ts";
import type { LinkStream } from "../core/link/link.ts";
import { headFrames } from "../core/messages/attached-head.ts";
import { type ChoiceToken, type FinishReason, type GenerationSubmit, openChoices } from "../core/messages/generation.ts";
import { AnswerWriter } from "./answer-writer.ts";
import type { GenerationHandle, GenerationSink } from "./engines/generation-sink.ts";

/** Without a reader it runs on for so long. */
const DETACHED_MS_MAX = 30_000;
/** After its end it can be read for so long. */
export const KEPT_MS = 60_000;

interface Ended {
  readonly choice: number;
  readonly reason: FinishReason;
}

export class KeptGeneration implements GenerationSink {
  readonly submit: GenerationSubmit;
  readonly #clock: Clock;
  readonly #onTerm: (expiresMs: number) => void;
  readonly #tokens: ChoiceToken[] = [];
  readonly #ends: Ended[] = [];
  /** Choices of which readers get all there is or will be. */
  readonly #wanted: Set<number>;
  /** Choices of which more may come. */
  readonly #running: Set<number>;
  #failure: ServingError | undefined;
  #handle: GenerationHandle | undefined;
  #reader: AnswerWriter | undefined;
  #expiresMs: number | undefined;

  /** @param onTerm is told when it will be forgotten, unless somebody reads it before */
  constructor(submit: GenerationSubmit, clock: Clock, onTerm: (expiresMs: number) => void) {
    this.submit = submit;
    this.#clock = clock;
    this.#onTerm = onTerm;
    this.#wanted = new Set(openChoices(submit));
    this.#running = new Set(this.#wanted);
  }

  /** undefined: it runs and somebody reads it. */
  get expiresMs(): number | undefined {
    return this.#expiresMs;
  }

  /** Nothing more will come. */
  get over(): boolean {
    return this.#running.size === 0;
  }

  /** What it came to, but for the first `count` tokens. */
  tokensFrom(count: number): readonly ChoiceToken[] {
    return this.#tokens.slice(count);
  }

  /** The engine has taken it; `stream` is the reader that it has from its beginning. */
  started(handle: GenerationHandle, stream: LinkStream, queued: number): void {
    this.#handle = handle;
    this.#attach(stream, queued);
  }

  /** @param from by choice, how many tokens the reader has; the head and what follows them are written to `stream` */
  attach(stream: LinkStream, from: readonly number[]): void {
    const reader = this.#attach(stream, 0);
    reader.head(headFrames(this.submit));
    reader.tokens(this.#tokens.filter(({ choice, position }) => position >= (from[choice] ?? 0)));
    for (const { choice, reason } of this.#ends) reader.finished(choice, reason);
    if (this.#failure !== undefined) reader.failed(this.#failure);
  }

  tokens(tokens: readonly ChoiceToken[]): void {
    for (const token of tokens) this.#tokens.push(token);
    this.#reader?.tokens(tokens);
  }

  finished(choice: number, reason: FinishReason): void {
    this.#ends.push({ choice, reason });
    this.#reader?.finished(choice, reason);
    this.#ended(choice);
  }

  failed(error: ServingError): void {
    this.#failure = error;
    this.#reader?.failed(error);
    this.#running.clear();
    this.#expireIn(KEPT_MS);
  }

  /** It is not kept any more. Who reads it and has not read all of what there was does so in peace. */
  drop(): void {
    if (this.over) return;
    this.#handle?.cancel();
    this.#reader?.replaced();
    this.#reader = undefined;
    this.#running.clear();
  }

  #attach(stream: LinkStream, queued: number): AnswerWriter {
    this.#reader?.replaced();
    this.#handle?.resume();
    const reader = new AnswerWriter(stream, { clock: this.#clock, choices: this.#wanted });
    this.#reader = reader;
    if (!this.over) this.#expiresMs = undefined;
    reader.started(this.#handleOf(reader), queued);
    return reader;
  }

  /** What a reader may do: its going cancels nothing, and it is not heard once another one reads. */
  #handleOf(reader: AnswerWriter): GenerationHandle {
    const change = (act: (handle: GenerationHandle) => void) => {
      if (this.#reader === reader && this.#handle !== undefined) act(this.#handle);
    };
    return {
      cancel: () =>
        change((handle) => {
          this.#reader = undefined;
          handle.resume();
          if (!this.over) this.#expireIn(DETACHED_MS_MAX);
        }),
      cancelChoice: (choice) =>
        change((handle) => {
          handle.cancelChoice(choice);
          this.#wanted.delete(choice);
          this.#ended(choice);
        }),
      pause: () => change((handle) => handle.pause()),
      resume: () => change((handle) => handle.resume()),
      park: () => change((handle) => handle.park()),
    };
  }

  #ended(choice: number): void {
    if (this.#running.delete(choice) && this.over) this.#expireIn(KEPT_MS);
  }

  #expireIn(ms: number): void {
    this.#expiresMs = this.#clock.now() + ms;
    this.#onTerm(this.#expiresMs);
  }
}
