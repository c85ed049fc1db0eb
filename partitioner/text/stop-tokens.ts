/** Which tokens end a generation: what the files say, and the tokens that model families end a turn with. Pure. */

/** Source: llama.cpp llama-vocab.cpp, the end-of-generation names. */
const TURN_ENDS: ReadonlySet<string> = new Set([
  "<|im_end|>",
  "<|endoftext|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|end_of_text|>",
  "<|end_of_turn|>",
  "<end_of_turn>",
  "<end_of_utterance>",
  "<EOT>",
  "< EOT >",
  "_<EOT>",
  "[EOT]",
  "[EOS]",
  "<｜end▁of▁sentence｜>",
]);

/**
 * @param stated ids that the files name as ends; undefined where a file does not
 * @param added control and user-defined tokens: a text that merely looks like one ends nothing
 * @returns ascending, each once
 */
export function stopTokenIds(
  stated: readonly (number | undefined)[],
  added: Iterable<{ readonly id: number; readonly text: string }>,
): readonly number[] {
  const ids = new Set(stated.filter((id) => id !== undefined));
  for (const { id, text } of added) if (TURN_ENDS.has(text)) ids.add(id);
  return [...ids].sort((a, b) => a - b);
}
