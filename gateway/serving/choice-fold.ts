/** Folds a generation's answer frames into text events: one delta per choice for all frames that came together. Pure. */

import { ServingError } from "../../core/errors.ts";
import { failureOf } from "../../core/messages/failed-answer.ts";
import type { AnswerFrame, BegunChoice, ChoiceToken, FinishReason } from "../../core/messages/generation.ts";
import { finishText, pushToken, type TextFold, type TextFoldState } from "../text/text-fold.ts";
import { spelledBytes, tokenBytes } from "../text/token-table.ts";
import type { TextEvent, TextToken } from "./text-generation.ts";

interface Choice {
  readonly number: number;
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
  /** Choices that a stop string ended here while others go on: the agent is to cancel them. */
  readonly cancel: readonly number[];
  readonly tokens: number;
  readonly state: "running" | "finished" | "stopped-here";
}

export class ChoiceFold {
  readonly #fold: TextFold;
  readonly #choices: readonly Choice[];

  constructor(fold: TextFold, choices: number) {
    this.#fold = fold;
    this.#choices = Array.from({ length: choices }, (_, number) => ({
      number,
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
          tokens += frame.tokens.length;
          for (const token of frame.tokens) this.#token(token);
          break;
        case "finished":
          this.#finished(frame.choice, frame.reason);
          break;
        case "failed":
          throw failureOf(frame);
        case "accepted":
        case "refused":
        case "part":
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
    if (this.#choices.every(({ finished }) => finished !== undefined)) {
      return { cancel: [], state: this.#choices.every(({ agentDone }) => agentDone) ? "finished" : "stopped-here" };
    }
    const stopped = this.#choices.filter(({ finished, agentDone }) => finished !== undefined && !agentDone);
    for (const choice of stopped) choice.agentDone = true;
    return { cancel: stopped.map(({ number }) => number), state: "running" };
  }

  #choice(number: number): Choice {
    const choice = this.#choices[number];
    if (choice === undefined)
      throw new ServingError("INTERNAL", `a generation of ${this.#choices.length} choices was answered for ${number}`);
    return choice;
  }

  #token(token: ChoiceToken): void {
    const choice = this.#choice(token.choice);
    if (choice.finished !== undefined) return;
    if (token.position !== choice.ids.length)
      throw new ServingError("INTERNAL", `choice ${token.choice} went on at position ${token.position}, not at ${choice.ids.length}`);
    const { state, text, stopped } = pushToken(this.#fold, choice.state, token.id);
    choice.state = state;
    choice.text += text;
    choice.ids.push(token.id);
    choice.tokens.push(this.#textToken(token));
    if (stopped) choice.finished = "stop";
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
    const over = choice.finished !== undefined && !choice.told;
    if (choice.text !== "" || (over && choice.tokens.length > 0)) {
      const { number, text, tokens, ids } = choice;
      events.push({ kind: "delta", choice: number, text, tokens, position: ids.length - 1 });
      choice.text = "";
      choice.tokens = [];
    }
    if (over && choice.finished !== undefined) {
      choice.told = true;
      const { number, finished, ids } = choice;
      events.push({ kind: "finished", choice: number, reason: finished, completionTokens: ids.length });
    }
    return events;
  }
}
