/** What the streams of a chaos run ask for: greedy and sampled, with and without penalties, of different lengths. Pure. */
import { type CompletionFields, WITHOUT_END } from "../cluster/completion-client.ts";

const OPENINGS = [
  "Once upon a time",
  "The capital of France is",
  "A list of animals:",
  "She said that",
  "In 1969",
  "def main():",
  "To bake bread,",
  "Dear",
];

/** @param tokens of the longest answer */
export function streamRequests(count: number, tokens: number): readonly CompletionFields[] {
  return Array.from({ length: count }, (_, index): CompletionFields => {
    const common = { ...WITHOUT_END, prompt: OPENINGS[index % OPENINGS.length] ?? "", max_tokens: tokens - 10 * (index % 5) };
    if (index % 2 === 0) return common;
    return { ...common, temperature: 0.9, top_p: 0.95, frequency_penalty: index % 4 === 1 ? 0.5 : 0, seed: index };
  });
}
