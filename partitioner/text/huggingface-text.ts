/** A text bundle from the JSON files of a Hugging Face model folder. Pure. */
import { ServingError } from "../../core/errors.ts";
import { isCount, jsonCount, jsonField, jsonFlag, jsonList, jsonObject, jsonText } from "../../core/model/json-value.ts";
import type { TextBundle } from "../../core/model/text-bundle.ts";
import { stopTokenIds } from "./stop-tokens.ts";

/** Parsed files of the folder; undefined for those it does not have. */
export interface HuggingFaceFiles {
  /** tokenizer.json */
  readonly tokenizer: unknown;
  /** tokenizer_config.json */
  readonly tokenizerConfig: unknown;
  /** generation_config.json */
  readonly generationConfig: unknown;
  /** config.json */
  readonly modelConfig: unknown;
  /** The text of chat_template.jinja. */
  readonly chatTemplate: string | undefined;
}

interface AddedToken {
  readonly id: number;
  readonly text: string;
}

function addedTokens(tokenizer: object): readonly AddedToken[] {
  return jsonList(tokenizer, "added_tokens").map((added) => {
    const id = jsonCount(added, "id");
    const text = jsonText(added, "content");
    if (id === undefined || text === undefined)
      throw new ServingError("FAILED_PRECONDITION", "tokenizer.json has a damaged 'added_tokens'");
    return { id, text };
  });
}

/** A special token's text: a string, or an object with its content. */
function specialToken(config: unknown, name: string): string {
  return jsonText(config, name) ?? jsonText(jsonField(config, name), "content") ?? "";
}

/** `eos_token_id` is a number or a list of numbers. */
function endIds(config: unknown): readonly number[] {
  const value = jsonField(config, "eos_token_id");
  return (Array.isArray(value) ? value : [value]).filter(isCount);
}

/** One template, or a list of named ones of which `default` is for chats. */
function configTemplate(config: unknown): string | undefined {
  const named = jsonList(config, "chat_template").find((item) => jsonText(item, "name") === "default");
  return jsonText(config, "chat_template") ?? jsonText(named, "template");
}

/** Whether the post-processor puts this token first; templates may be nested in sequences. */
function beginsWith(postProcessor: unknown, token: string): boolean {
  const [first] = jsonList(postProcessor, "single");
  if (jsonText(jsonField(first, "SpecialToken"), "id") === token) return true;
  return jsonList(postProcessor, "processors").some((inner) => beginsWith(inner, token));
}

/** Classes such as LlamaTokenizer obey `add_bos_token`; plain fast tokenizers do what their post-processor says. */
function addsBos(files: HuggingFaceFiles, bosToken: string): boolean {
  const stated = jsonFlag(files.tokenizerConfig, "add_bos_token");
  const obeys = jsonText(files.tokenizerConfig, "tokenizer_class") !== "PreTrainedTokenizerFast";
  return obeys && stated !== undefined ? stated : beginsWith(jsonField(files.tokenizer, "post_processor"), bosToken);
}

function tokenId(tokenizer: object, added: readonly AddedToken[], text: string): number | undefined {
  if (text === "") return undefined;
  const vocabulary = jsonField(jsonField(tokenizer, "model"), "vocab");
  return added.find((token) => token.text === text)?.id ?? jsonCount(vocabulary, text);
}

/** Vision and audio models keep their language model's numbers in `text_config`. */
function modelCount(config: unknown, name: string): number | undefined {
  return jsonCount(config, name) ?? jsonCount(jsonField(config, "text_config"), name);
}

function vocabularySize(tokenizer: object, added: readonly AddedToken[]): number {
  const vocabulary = jsonField(jsonField(tokenizer, "model"), "vocab");
  const own = typeof vocabulary === "object" && vocabulary !== null ? Object.keys(vocabulary).length : 0;
  return added.reduce((size, token) => Math.max(size, token.id + 1), own);
}

/** @throws ServingError FAILED_PRECONDITION naming the file and field that is missing or damaged. */
export function huggingFaceTextBundle(files: HuggingFaceFiles): TextBundle {
  const { tokenizer } = files;
  if (typeof tokenizer !== "object" || tokenizer === null || jsonObject(tokenizer, "model") === undefined)
    throw new ServingError("FAILED_PRECONDITION", "tokenizer.json has no valid 'model'");
  const contextLength = modelCount(files.modelConfig, "max_position_embeddings");
  if (contextLength === undefined) throw new ServingError("FAILED_PRECONDITION", "config.json has no valid 'max_position_embeddings'");
  const added = addedTokens(tokenizer);
  const bosToken = specialToken(files.tokenizerConfig, "bos_token");
  const eosToken = specialToken(files.tokenizerConfig, "eos_token");
  const ends = [tokenId(tokenizer, added, eosToken), ...endIds(files.generationConfig), ...endIds(files.modelConfig)];
  const { tokenizerConfig } = files;
  return {
    format: 1,
    tokenizer: {
      kind: "huggingface",
      tokenizer,
      config: typeof tokenizerConfig === "object" && tokenizerConfig !== null ? tokenizerConfig : {},
    },
    chatTemplate: files.chatTemplate ?? configTemplate(tokenizerConfig),
    bosId: tokenId(tokenizer, added, bosToken),
    addBos: addsBos(files, bosToken),
    bosToken,
    eosToken,
    stopIds: stopTokenIds(ends, added),
    vocabSize: modelCount(files.modelConfig, "vocab_size") ?? vocabularySize(tokenizer, added),
    contextLength,
  };
}
