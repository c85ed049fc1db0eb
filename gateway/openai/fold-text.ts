/** Folds a stream's events into the whole: what a client gets by joining the chunks itself. */
import type { FinishReason } from "../../core/messages/generation.ts";
import type { TextEvent, TextToken } from "../serving/generation/text-generation.ts";
import { type Usage, UsageCount } from "./usage.ts";

export interface FoldedChoice {
  readonly text: string;
  /** Empty unless they are kept. */
  readonly tokens: readonly TextToken[];
  readonly reason: FinishReason;
}

export interface FoldedText {
  readonly choices: readonly FoldedChoice[];
  readonly usage: Usage;
}

export interface FoldOptions {
  readonly promptTokens: number;
  readonly choices: number;
  readonly keepTokens: boolean;
}

interface Part {
  readonly texts: string[];
  readonly tokens: TextToken[];
  reason: FinishReason;
}

/** @throws ServingError what ends the events; INTERNAL when they end before all choices have. */
export async function foldText(events: AsyncIterable<TextEvent>, { promptTokens, choices, keepTokens }: FoldOptions): Promise<FoldedText> {
  const usage = new UsageCount(promptTokens, choices);
  const parts = Array.from({ length: choices }, (): Part => ({ texts: [], tokens: [], reason: "stop" }));
  for await (const event of events) {
    if (event.kind === "started") continue;
    const part = parts[event.choice];
    if (part === undefined) continue;
    if (event.kind === "delta") {
      part.texts.push(event.text);
      if (keepTokens) part.tokens.push(...event.tokens);
    } else {
      part.reason = event.reason;
      usage.finish(event.completionTokens);
    }
  }
  return { choices: parts.map(({ texts, tokens, reason }) => ({ text: texts.join(""), tokens, reason })), usage: usage.total() };
}
