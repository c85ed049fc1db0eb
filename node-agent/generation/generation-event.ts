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
  if (offer.stopIds.includes(sequence.newestToken)) return "stop";
  if (sequence.emitted >= offer.tokensMax) return "length";
  if (offer.promptIds.length + sequence.emitted >= contextLength) return "length";
  return undefined;
}
