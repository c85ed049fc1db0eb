/** What becomes known of generations when a step has come back or a deadline has passed. Pure. */
import type { ChoiceToken, FinishReason } from "../../core/messages/generation.ts";
import type { Sequence } from "./sequence.ts";

export type GenerationEvent =
  | { readonly kind: "token"; readonly key: number; readonly token: ChoiceToken }
  /** Follows the choice's last token. */
  | { readonly kind: "finished"; readonly key: number; readonly choice: number; readonly reason: FinishReason }
  /** The deadline has passed; nothing else of it follows. */
  | { readonly kind: "expired"; readonly key: number };

/** Why a sequence ends with its newest token; undefined: it goes on. */
export function finishReason(sequence: Sequence, contextLength: number): FinishReason | undefined {
  const { offer } = sequence.generation;
  const { outputIds } = sequence;
  if (offer.stopIds.includes(outputIds.at(-1) ?? -1)) return "stop";
  if (outputIds.length >= offer.tokensMax) return "length";
  if (offer.promptIds.length + outputIds.length >= contextLength) return "length";
  return undefined;
}
