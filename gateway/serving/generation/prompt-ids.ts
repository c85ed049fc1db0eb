/** A prompt, whatever its kind, as the model's token ids. */
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { EncodePool } from "../../text/encode-pool.ts";
import type { TextModel } from "../../text/text-model.ts";
import { checkedIds } from "./generation-limits.ts";
import type { Prompt } from "./text-generation.ts";

export interface PromptEncoder {
  readonly pool: Pick<EncodePool, "encode">;
  readonly clock: Clock;
}

/** @throws ServingError INVALID_ARGUMENT for an empty prompt, an unknown id, or messages that the template refuses; the signal's reason. */
export async function promptIds(
  prompt: Prompt,
  model: TextModel,
  { pool, clock }: PromptEncoder,
  signal: AbortSignal,
): Promise<Int32Array> {
  const ids = await encoded(prompt, model, { pool, clock }, signal);
  if (ids.length > 0) return ids;
  const { bosId } = model.bundle;
  if (prompt.kind === "text" && bosId !== undefined) return Int32Array.of(bosId); // a text from nothing
  throw new ServingError("INVALID_ARGUMENT", "the prompt has no tokens: at least 1 is needed", { param: "prompt" });
}

async function encoded(prompt: Prompt, model: TextModel, { pool, clock }: PromptEncoder, signal: AbortSignal): Promise<Int32Array> {
  switch (prompt.kind) {
    case "ids":
      return checkedIds(prompt.ids, model.bundle.vocabSize);
    case "text":
      return await pool.encode(model, prompt.text, { addSpecial: true }, signal);
    case "chat": {
      const text = model.renderChat(prompt.messages, { nowMs: clock.wallClockMs(), addGenerationPrompt: true });
      return await pool.encode(model, text, { addSpecial: false }, signal);
    }
  }
}
