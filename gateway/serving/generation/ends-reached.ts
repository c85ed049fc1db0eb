/** Choices that are over by their ids, though the lead was lost before it could say so. Pure. */
import type { AnswerFrame, BegunChoice, GenerationSubmit } from "../../../core/messages/generation.ts";

export function endsReached({ stopIds, tokensMax }: GenerationSubmit, begun: readonly BegunChoice[]): readonly AnswerFrame[] {
  return begun.flatMap(({ outputIds, over }, choice): readonly AnswerFrame[] => {
    if (over) return [];
    if (stopIds.includes(outputIds.at(-1) ?? -1)) return [{ kind: "finished", choice, reason: "stop" }];
    return outputIds.length >= tokensMax ? [{ kind: "finished", choice, reason: "length" }] : [];
  });
}
