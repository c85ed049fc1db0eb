/** A generation's journal as bytes, before they are sealed: its submit, then what it came to, some tokens an entry. Pure. */
import { ServingError } from "../errors.ts";
import { decodeAnswer, encodeAnswer } from "./answer-codec.ts";
import type { ChoiceToken, GenerationSubmit } from "./generation.ts";
import { decodeSubmit, encodeSubmit } from "./submit-codec.ts";

export interface JournaledGeneration {
  readonly submit: GenerationSubmit;
  /** What has come since, by choice in order. */
  readonly tokens: readonly ChoiceToken[];
}

export const headEntry = (body: GenerationSubmit): Uint8Array => encodeSubmit({ session: "", number: 0, body });

/** @param tokens may be none */
export const tokensEntry = (tokens: readonly ChoiceToken[]): Uint8Array => encodeAnswer({ kind: "tokens", tokens });

/** @throws ServingError INVALID_ARGUMENT */
export function journaledGeneration([head, ...rest]: readonly Uint8Array[]): JournaledGeneration {
  const { body } = decodeSubmit(head ?? new Uint8Array());
  if (body.kind !== "generate") throw new ServingError("INVALID_ARGUMENT", "a journal does not begin with its generation");
  const tokens = rest.flatMap((entry) => {
    const frame = decodeAnswer(entry);
    if (frame.kind !== "tokens") throw new ServingError("INVALID_ARGUMENT", `a journal has an entry of the kind ${frame.kind}`);
    return frame.tokens;
  });
  return { submit: body, tokens };
}
