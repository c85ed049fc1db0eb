/**
 * Writes a generation's events to its link stream. Where the reader has no credit left, tokens gather in one frame to come and
 * the generation is paused: the reader's slowness stays its own. One that goes on elsewhere when its link is silent is paused as soon
 * as the link is suspect: what it would compute nobody may want any more.
 */

import type { Clock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { LinkStream, StreamEnd } from "../core/link/link.ts";
import { encodeAnswer } from "../core/messages/answer-codec.ts";
import { failedAnswer } from "../core/messages/failed-answer.ts";
import {
  type AnswerFrame,
  type CancelChoice,
  type ChoiceToken,
  type FinishReason,
  TAKEN_OVER,
  UNREAD,
} from "../core/messages/generation.ts";
import { decodeCancelChoice } from "../core/messages/submit-frames.ts";
import type { GenerationHandle, GenerationSink } from "./engines/generation-sink.ts";

/** A reader that has not read for this long is cut off. */
const UNREAD_MS_MAX = 30_000;
/** Before that, what it holds goes to others after this. */
const IDLE_MS_MAX = 2_000;
/** Credit at which the generation is paused: tokens under way still need room. */
const CREDIT_LOW = 8;
/** A frame of tokens that gathered stays far below the link's limit. */
const TOKENS_PER_FRAME = 64;

export class AnswerWriter implements GenerationSink {
  readonly #stream: LinkStream;
  readonly #clock: Clock;
  /** Choices of which nothing more comes but what waits here. */
  readonly #choicesLeft: Set<number>;
  #handle: GenerationHandle | undefined;
  /** Go before all tokens. */
  #head: Uint8Array[] = [];
  #waiting: ChoiceToken[] = [];
  #last: AnswerFrame[] = [];
  #suspect = false;
  #paused = false;
  #ended = false;
  #takeBackCut: () => void = () => {};

  /** @param options.choices those of which something comes @param options.movable see GenerationSubmit */
  constructor(
    stream: LinkStream,
    options: { readonly clock: Clock; readonly choices: Iterable<number>; readonly movable?: boolean | undefined },
  ) {
    this.#stream = stream;
    this.#clock = options.clock;
    this.#choicesLeft = new Set(options.choices);
    stream.listen({
      frame: (payload) => {
        stream.consumed(1);
        this.#heard(payload);
      },
      ended: (end) => this.#streamEnded(end),
      writable: () => this.#flush(),
      suspected: () => this.#setSuspect(options.movable === true),
      trusted: () => this.#setSuspect(false),
    });
  }

  /** The generation runs: from now on the stream's end cancels it. One that was over before does so at once. */
  started(handle: GenerationHandle, queued: number): void {
    this.#handle = handle;
    if (this.#ended) handle.cancel();
    this.#stream.write(encodeAnswer({ kind: "accepted", queued }));
  }

  /** What the reader is to know before the first token. */
  head(frames: readonly Uint8Array[]): void {
    this.#head.push(...frames);
    this.#flush();
  }

  /** Another reader has its place; the generation is not touched. */
  replaced(): void {
    if (this.#ended) return;
    this.#close();
    this.#stream.reset(TAKEN_OVER);
  }

  tokens(tokens: readonly ChoiceToken[]): void {
    this.#waiting.push(...tokens);
    this.#flush();
  }

  finished(choice: number, reason: FinishReason): void {
    this.#last.push({ kind: "finished", choice, reason });
    this.#choicesLeft.delete(choice);
    this.#flush();
  }

  failed(error: ServingError): void {
    this.#last.push(failedAnswer(error));
    this.#choicesLeft.clear();
    this.#flush();
  }

  #flush(): void {
    if (this.#ended) return;
    const stream = this.#stream;
    while (stream.credit > 0) {
      const frame = this.#head.shift();
      if (frame === undefined) break;
      stream.write(frame);
    }
    while (this.#waiting.length > 0 && stream.credit > 0) {
      stream.write(encodeAnswer({ kind: "tokens", tokens: this.#waiting.splice(0, TOKENS_PER_FRAME) }));
    }
    while (this.#waiting.length === 0 && this.#last.length > 0 && stream.credit > 0) {
      const frame = this.#last.shift();
      if (frame !== undefined) stream.write(encodeAnswer(frame));
    }
    const allSaid = this.#head.length === 0 && this.#waiting.length === 0 && this.#last.length === 0;
    if (allSaid && this.#choicesLeft.size === 0) {
      this.#close();
      stream.end();
      return;
    }
    this.#setPaused(this.#suspect || stream.credit <= CREDIT_LOW);
  }

  #setSuspect(suspect: boolean): void {
    this.#suspect = suspect;
    this.#flush();
  }

  #setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) {
      this.#handle?.pause();
      this.#takeBackCut = this.#clock.after(IDLE_MS_MAX, () => {
        this.#takeBackCut = this.#clock.after(UNREAD_MS_MAX - IDLE_MS_MAX, () => this.#giveUp(UNREAD));
        this.#handle?.park();
      });
    } else {
      this.#takeBackCut();
      this.#handle?.resume();
    }
  }

  /** What makes no sense ends this answer, not the agent. */
  #heard(payload: Uint8Array): void {
    let cancel: CancelChoice | undefined;
    try {
      cancel = decodeCancelChoice(payload);
    } catch (thrown) {
      this.#giveUp(ServingError.from(thrown).message);
    }
    if (cancel !== undefined) this.#cancelChoice(cancel.choice);
  }

  /** The gateway has what it wants of this choice: the engine says nothing more of it. */
  #cancelChoice(choice: number): void {
    this.#handle?.cancelChoice(choice);
    this.#choicesLeft.delete(choice);
    this.#flush();
  }

  #streamEnded(end: StreamEnd): void {
    if (this.#ended || end.kind === "end") return;
    this.#close();
    this.#handle?.cancel();
  }

  #giveUp(why: string): void {
    this.#handle?.cancel();
    this.#close();
    this.#stream.reset(why);
  }

  #close(): void {
    this.#ended = true;
    this.#takeBackCut();
  }
}
