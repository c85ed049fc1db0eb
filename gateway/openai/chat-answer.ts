/** Chat completions: the whole answer and the chunks, folds over the same events. */
import type { TextEvent } from "../serving/generation/text-generation.ts";
import type { AnswerHead, Started } from "./answer-head.ts";
import { type ChunkEncoder, ChunkFrames } from "./chunk-frames.ts";
import { foldText } from "./fold-text.ts";
import type { GenerationCall } from "./generation-call.ts";
import { chatLogprobs } from "./logprobs.ts";
import type { StreamShape } from "./stream-shape.ts";
import { UsageCount } from "./usage.ts";

/** @throws ServingError what ends the events early. */
export async function wholeChatAnswer(head: AnswerHead, started: Started, call: GenerationCall, events: AsyncIterable<TextEvent>) {
  const asked = call.sampling.topLogprobs !== undefined;
  const folded = await foldText(events, { promptTokens: started.promptTokens, choices: call.choices, keepTokens: asked });
  const choices = folded.choices.map(({ text, tokens, reason }, index) => ({
    index,
    message: { role: "assistant", content: text, refusal: null },
    logprobs: asked ? { content: chatLogprobs(tokens), refusal: null } : null,
    finish_reason: reason,
  }));
  return { ...head, choices, usage: folded.usage };
}

/** Each choice opens with its role, then its text as it comes, then an empty delta with the reason. */
export class ChatChunks implements ChunkEncoder {
  readonly #frames: ChunkFrames;
  readonly #usage: UsageCount;
  readonly #choices: number;
  readonly #logprobs: boolean;

  constructor(head: AnswerHead, started: Started, shape: StreamShape) {
    this.#frames = new ChunkFrames(head, shape);
    this.#usage = new UsageCount(started.promptTokens, shape.choices);
    this.#choices = shape.choices;
    this.#logprobs = shape.logprobs;
  }

  encode(event: TextEvent): string {
    switch (event.kind) {
      case "started":
        return Array.from({ length: this.#choices }, (_, choice) =>
          this.#frame(choice, '{"role":"assistant","content":"","refusal":null}', "null", "null"),
        ).join("");
      case "delta": {
        const tokens = this.#logprobs ? event.tokens : [];
        if (event.text === "" && tokens.length === 0) return "";
        const logprobs = tokens.length === 0 ? "null" : JSON.stringify({ content: chatLogprobs(tokens), refusal: null });
        return this.#frame(event.choice, `{"content":${JSON.stringify(event.text)}}`, logprobs, "null");
      }
      case "finished":
        this.#usage.finish(event.completionTokens);
        return this.#frame(event.choice, "{}", "null", `"${event.reason}"`);
    }
  }

  end(): string {
    return this.#frames.end(this.#usage.total());
  }

  #frame(choice: number, delta: string, logprobs: string, reason: string): string {
    return this.#frames.frame(`{"index":${choice},"delta":${delta},"logprobs":${logprobs},"finish_reason":${reason}}`);
  }
}
