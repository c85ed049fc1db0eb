/** Text completions: the whole answer and the chunks, folds over the same events. */
import type { TextEvent } from "../serving/generation/text-generation.ts";
import type { AnswerHead, Started } from "./answer-head.ts";
import { type ChunkEncoder, ChunkFrames } from "./chunk-frames.ts";
import { foldText } from "./fold-text.ts";
import type { GenerationCall } from "./generation-call.ts";
import { codePointsIn, completionLogprobs } from "./logprobs.ts";
import { echoedTexts, type StreamShape } from "./stream-shape.ts";
import { UsageCount } from "./usage.ts";

/** @throws ServingError what ends the events early. */
export async function wholeCompletionAnswer(head: AnswerHead, started: Started, call: GenerationCall, events: AsyncIterable<TextEvent>) {
  const asked = call.sampling.topLogprobs !== undefined;
  const starts = echoedTexts(call);
  const choicesOfAll = call.prompts.length * call.choices;
  const folded = await foldText(events, { promptTokens: started.promptTokens, choices: choicesOfAll, keepTokens: asked });
  const choices = folded.choices.map(({ text, tokens, reason }, index) => ({
    text: (starts[index] ?? "") + text,
    index,
    logprobs: asked ? completionLogprobs(tokens, 0) : null,
    finish_reason: reason,
  }));
  return { ...head, choices, usage: folded.usage };
}

export class CompletionChunks implements ChunkEncoder {
  readonly #frames: ChunkFrames;
  readonly #usage: UsageCount;
  readonly #echoed: readonly string[];
  readonly #logprobs: boolean;
  /** By choice: where the next token's text begins. */
  readonly #codePoints: number[];

  constructor(head: AnswerHead, started: Started, { echoed, choices, logprobs, includeUsage }: StreamShape) {
    this.#frames = new ChunkFrames(head, { includeUsage });
    this.#echoed = echoed;
    this.#usage = new UsageCount(started.promptTokens, choices);
    this.#logprobs = logprobs;
    this.#codePoints = Array.from({ length: choices }, () => 0);
  }

  encode(event: TextEvent): string {
    switch (event.kind) {
      case "started":
        return this.#echoed.map((text, choice) => (text === "" ? "" : this.#frame(choice, text, "null", "null"))).join("");
      case "delta": {
        const tokens = this.#logprobs ? event.tokens : [];
        if (event.text === "" && tokens.length === 0) return "";
        const before = this.#codePoints[event.choice] ?? 0;
        for (const { bytes } of tokens) this.#codePoints[event.choice] = (this.#codePoints[event.choice] ?? 0) + codePointsIn(bytes);
        const logprobs = tokens.length === 0 ? "null" : JSON.stringify(completionLogprobs(tokens, before));
        return this.#frame(event.choice, event.text, logprobs, "null");
      }
      case "finished":
        this.#usage.finish(event.completionTokens);
        return this.#frame(event.choice, "", "null", `"${event.reason}"`);
    }
  }

  end(): string {
    return this.#frames.end(this.#usage.total());
  }

  #frame(choice: number, text: string, logprobs: string, reason: string): string {
    return this.#frames.frame(`{"text":${JSON.stringify(text)},"index":${choice},"logprobs":${logprobs},"finish_reason":${reason}}`);
  }
}
