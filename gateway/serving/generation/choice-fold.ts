/** Folds a generation's answer frames into text events: one delta per choice for all frames that came together. Pure. */

import { ServingError } from "../../../core/errors.ts";
import { failureOf } from "../../../core/messages/failed-answer.ts";
import type { AnswerFrame, BegunChoice, ChoiceToken, FinishReason } from "../../../core/messages/generation.ts";
import { finishText, pushToken, type TextFold, type TextFoldState } from "../../text/text-fold.ts";
import { spelledBytes, tokenBytes } from "../../text/token-table.ts";
import type { TextEvent, TextToken } from "./text-generation.ts";

interface Choice {
  readonly number: number;
  /** Up to which position its client has been told; -1: nothing. */
  readonly toldTo: number;
  /** The delta that ends there. */
  cut: TextEvent | undefined;
  state: TextFoldState;
  /** Text and tokens of the delta to come; tokens wait here while they have released no text. */
  text: string;
  tokens: TextToken[];
  /** All there are, position 0 first: with the prompt, all that it takes to go on elsewhere. */
  readonly ids: number[];
  finished: FinishReason | undefined;
  /** The agent has been told, or has told, that it is over. */
  agentDone: boolean;
  told: boolean;
}

export interface FoldedFrames {
  readonly events: readonly TextEvent[];
  /** Choices that a stop string ended here: the agent does not know yet. */
  readonly cancel: readonly number[];
  /** Those that the client has not been told of before. */
  readonly tokens: number;
  readonly state: "running" | "finished" | "stopped-here";
}

export class ChoiceFold {
  readonly #fold: TextFold;
  readonly #choices: readonly Choice[];

  /** @param told of a resumed stream: by choice, up to which position its client has been told */
  constructor(fold: TextFold, choices: number, told: readonly number[] = []) {
    this.#fold = fold;
    this.#choices = Array.from({ length: choices }, (_, number) => ({
      number,
      toldTo: told[number] ?? -1,
      cut: undefined,
      state: fold.start,
      text: "",
      tokens: [],
      ids: [],
      finished: undefined,
      agentDone: false,
      told: false,
    }));
  }

  /**
   * `state` is `finished` when the agent has ended every choice, `stopped-here` when all are over and it has not.
   * @throws ServingError with what the agent failed with; INTERNAL when frames make no sense.
   */
  push(frames: readonly AnswerFrame[]): FoldedFrames {
    let tokens = 0;
    for (const frame of frames) {
      switch (frame.kind) {
        case "tokens":
          for (const token of frame.tokens) tokens += this.#token(token);
          break;
        case "finished":
          this.#finished(frame.choice, frame.reason);
          break;
        case "failed":
          throw failureOf(frame);
        case "accepted":
        case "refused":
        case "part":
        case "response":
        case "failed-response":
          throw new ServingError("INTERNAL", `a running generation was answered with ${frame.kind}`);
      }
    }
    const events = this.#choices.flatMap((choice) => this.#events(choice));
    return { events, tokens, ...this.#rest() };
  }

  /** What there is of each choice. */
  begun(): readonly BegunChoice[] {
    return this.#choices.map(({ ids, finished }) => ({ outputIds: Int32Array.from(ids), over: finished !== undefined }));
  }

  #rest(): Pick<FoldedFrames, "cancel" | "state"> {
    const stopped = this.#choices.filter(({ finished, agentDone }) => finished !== undefined && !agentDone);
    for (const choice of stopped) choice.agentDone = true;
    const cancel = stopped.map(({ number }) => number);
    if (!this.#choices.every(({ finished }) => finished !== undefined)) return { cancel, state: "running" };
    return { cancel, state: stopped.length === 0 ? "finished" : "stopped-here" };
  }

  #choice(number: number): Choice {
    const choice = this.#choices[number];
    if (choice === undefined)
      throw new ServingError("INTERNAL", `a generation of ${this.#choices.length} choices was answered for ${number}`);
    return choice;
  }

  /** @returns how many tokens are news to the client: 1 or 0 */
  #token(token: ChoiceToken): number {
    const choice = this.#choice(token.choice);
    const news = token.position > choice.toldTo ? 1 : 0;
    if (choice.finished !== undefined) return news;
    if (token.position !== choice.ids.length)
      throw new ServingError("INTERNAL", `choice ${token.choice} went on at position ${token.position}, not at ${choice.ids.length}`);
    const { state, text, stopped } = pushToken(this.#fold, choice.state, token.id);
    choice.state = state;
    choice.text += text;
    choice.ids.push(token.id);
    choice.tokens.push(this.#textToken(token));
    if (stopped) choice.finished = "stop";
    if (token.position === choice.toldTo) choice.cut = this.#delta(choice, token.position);
    return news;
  }

  #textToken({ id, logprob, topLogprobs }: ChoiceToken): TextToken {
    const { table } = this.#fold;
    return {
      id,
      bytes: tokenBytes(table, id),
      logprob,
      topLogprobs: topLogprobs.map(([topId, topLogprob]) => ({ id: topId, bytes: spelledBytes(table, topId), logprob: topLogprob })),
    };
  }

  #finished(number: number, reason: FinishReason): void {
    const choice = this.#choice(number);
    choice.agentDone = true;
    if (choice.finished !== undefined) return;
    choice.finished = reason;
    choice.text += finishText(this.#fold, choice.state);
  }

  #events(choice: Choice): readonly TextEvent[] {
    const events: TextEvent[] = [];
    if (choice.cut !== undefined) events.push(choice.cut);
    choice.cut = undefined;
    const over = choice.finished !== undefined && !choice.told;
    const { length } = choice.ids;
    if (choice.text !== "" || (over && choice.tokens.length > 0)) events.push(this.#delta(choice, over ? length : length - 1));
    if (over && choice.finished !== undefined) {
      choice.told = true;
      const { number, finished } = choice;
      events.push({ kind: "finished", choice: number, reason: finished, completionTokens: length, ...at(choice, length + 1) });
    }
    return events;
  }

  /** All that has gathered. */
  #delta(choice: Choice, position: number): TextEvent {
    const { number, text, tokens } = choice;
    choice.text = "";
    choice.tokens = [];
    return { kind: "delta", choice: number, text, tokens, ...at(choice, position) };
  }
}

function at({ toldTo }: Choice, position: number): { readonly position: number; readonly told?: boolean } {
  return position <= toldTo ? { position, told: true } : { position };
}
