/** Text completions: the whole answer and the chunks, folds over the same events. */
import type { TextEvent } from "../serving/text-generation.ts";
import type { AnswerHead, Started } from "./answer-head.ts";
import { type ChunkEncoder, ChunkFrames } from "./chunk-frames.ts";
import { foldText } from "./fold-text.ts";
import type { GenerationCall } from "./generation-call.ts";
import { codePointsIn, completionLogprobs } from "./logprobs.ts";
import { UsageCount } from "./usage.ts";

/** What the text of each choice begins with: its prompt when it is echoed. */
function echoed(call: GenerationCall): readonly string[] {
  return call.prompts.flatMap((prompt) => {
    const text = call.echo && prompt.kind === "text" ? prompt.text : "";
    return Array.from({ length: call.choices }, () => text);
  });
}

/** @throws ServingError what ends the events early. */
export async function wholeCompletionAnswer(head: AnswerHead, started: Started, call: GenerationCall, events: AsyncIterable<TextEvent>) {
  const asked = call.sampling.topLogprobs !== undefined;
  const starts = echoed(call);
  const folded = await foldText(events, { promptTokens: started.promptTokens, choices: starts.length, keepTokens: asked });
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
  readonly #starts: readonly string[];
  readonly #logprobs: boolean;
  /** By choice: where the next token's text begins. */
  readonly #codePoints: number[];

  constructor(head: AnswerHead, started: Started, call: GenerationCall) {
    this.#frames = new ChunkFrames(head, call);
    this.#starts = echoed(call);
    this.#usage = new UsageCount(started.promptTokens, this.#starts.length);
    this.#logprobs = call.sampling.topLogprobs !== undefined;
    this.#codePoints = this.#starts.map(() => 0);
  }

  encode(event: TextEvent): string {
    switch (event.kind) {
      case "started":
        return this.#starts.map((text, choice) => (text === "" ? "" : this.#frame(choice, text, "null", "null"))).join("");
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
