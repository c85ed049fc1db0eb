/** The body of POST /v1/completions, checked. Pure. */
import type { BodyParser } from "../http/body-parser.ts";
import type { Prompt } from "../serving/generation/text-generation.ts";
import { booleanField, type Fields, field, integerField, wrongField, wrongType } from "./fields.ts";
import {
  commonFields,
  type GenerationCall,
  refuseUnsupported,
  requestFields,
  TEXT_CHARACTERS_MAX,
  TOP_LOGPROBS_MAX,
  tokenLimit,
  tooMuchText,
} from "./generation-call.ts";

const PROMPTS_MAX = 8;
const IDS_MAX = 256 * 1024;
/** OpenAI's default for this endpoint. */
const TOKENS_DEFAULT = 16;

/** @throws ServingError INVALID_ARGUMENT naming the field. */
export function parseCompletionRequest(bytes: Uint8Array): GenerationCall {
  const fields = requestFields(bytes);
  refuseUnsupported(fields, ["suffix"]);
  const topLogprobs = integerField(fields, "logprobs", { min: 0, max: TOP_LOGPROBS_MAX });
  const common = commonFields(fields, topLogprobs);
  refuseBestOf(fields, common.choices);
  const prompts = promptsOf(field(fields, "prompt"));
  const echo = booleanField(fields, "echo") ?? false;
  if (echo && topLogprobs !== undefined) throw wrongField("echo", "'echo' with 'logprobs' is not supported yet: leave out one of them");
  if (echo && prompts.some(({ kind }) => kind !== "text")) throw wrongField("echo", "'echo' needs the prompt as text");
  return { ...common, prompts, tokensMax: tokenLimit(fields, "max_tokens") ?? TOKENS_DEFAULT, echo };
}

export const completionParser: BodyParser<GenerationCall> = {
  parse: parseCompletionRequest,
  module: new URL(import.meta.url),
  name: parseCompletionRequest.name,
};

function refuseBestOf(fields: Fields, choices: number): void {
  const bestOf = integerField(fields, "best_of", { min: 1, max: 20 });
  if (bestOf !== undefined && bestOf !== choices) {
    throw wrongField("best_of", `'best_of' other than 'n' (${choices}) is not supported yet: leave it out`);
  }
}

/** A text, texts, token ids, or several lists of token ids. */
function promptsOf(value: unknown): readonly Prompt[] {
  if (typeof value === "string") return within([textPrompt(value)]);
  if (!Array.isArray(value)) throw wrongType("prompt", "a string or an array", value ?? null);
  if (value.length === 0) throw wrongField("prompt", "Invalid 'prompt': it must not be empty.");
  if (typeof value[0] === "number") return [idsPrompt(value, "prompt")];
  if (value.length > PROMPTS_MAX) throw wrongField("prompt", `Invalid 'prompt': at most ${PROMPTS_MAX} prompts, but got ${value.length}.`);
  return within(
    value.map((prompt: unknown, index) => {
      if (typeof prompt === "string") return textPrompt(prompt);
      if (Array.isArray(prompt)) return idsPrompt(prompt, `prompt[${index}]`);
      throw wrongType(`prompt[${index}]`, "a string or an array of token ids", prompt);
    }),
  );
}

function textPrompt(text: string): Prompt {
  return { kind: "text", text: text.toWellFormed() };
}

function idsPrompt(ids: readonly unknown[], param: string): Prompt {
  if (ids.length === 0) throw wrongField(param, `Invalid '${param}': it must not be empty.`);
  if (ids.length > IDS_MAX) throw tooMuchText(param);
  const wrong = ids.findIndex((id) => !isTokenId(id));
  if (wrong !== -1) throw wrongType(`${param}[${wrong}]`, "a token id", ids[wrong]);
  return { kind: "ids", ids: ids.filter(isTokenId) };
}

function isTokenId(id: unknown): id is number {
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id < 2 ** 31;
}

function within(prompts: readonly Prompt[]): readonly Prompt[] {
  const characters = prompts.reduce((sum, prompt) => sum + (prompt.kind === "text" ? prompt.text.length : 0), 0);
  if (characters > TEXT_CHARACTERS_MAX) throw tooMuchText("prompt");
  return prompts;
}
