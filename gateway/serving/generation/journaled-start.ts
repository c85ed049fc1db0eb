/** Where a generation goes on from of which only a journal is left. Pure. */
import type { AnswerFrame, BegunChoice, ChoiceToken } from "../../../core/messages/generation.ts";
import type { JournaledGeneration } from "../../../core/messages/journal-entries.ts";
import { endsReached } from "./ends-reached.ts";

export interface JournaledStart {
  readonly begun: readonly BegunChoice[];
  /** The same with log probabilities, where the lost lead was the one that computed them. */
  readonly first: readonly AnswerFrame[];
}

/** The last token of a choice that had come to its end is left out: the next lead gives it again, and ends the choice. */
export function journaledStart({ submit, tokens }: JournaledGeneration): JournaledStart {
  const choices = Array.from({ length: submit.choices }, (_, choice): ChoiceToken[] =>
    Array.from(submit.begun[choice]?.outputIds ?? [], (id, position) => ({ choice, position, id, logprob: undefined, topLogprobs: [] })),
  );
  for (const token of tokens) choices[token.choice]?.push(token);
  for (const end of endsReached(submit, choices.map(begunOf))) if (end.kind === "finished") choices[end.choice]?.pop();
  return { begun: choices.map(begunOf), first: [{ kind: "tokens", tokens: choices.flat() }] };
}

const begunOf = (tokens: readonly ChoiceToken[]): BegunChoice => ({ outputIds: Int32Array.from(tokens, ({ id }) => id), over: false });
