/** What chat and text completions have in common once they are checked. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { SamplingParameters } from "../../core/model/sampling-parameters.ts";
import { isJsonObject, parseJsonText } from "../http/json-text.ts";
import type { Prompt } from "../serving/generation/text-generation.ts";
import {
  booleanField,
  type Fields,
  field,
  integerField,
  isSaid,
  numberField,
  objectField,
  stringField,
  wrongField,
  wrongType,
} from "./fields.ts";

/** Sampling as asked for; the seed is drawn where none is given. */
export type SamplingCall = Omit<SamplingParameters, "seed"> & { readonly seed: bigint | undefined };

export interface GenerationCall {
  readonly model: string;
  /** At least one; more than one for text completions only. */
  readonly prompts: readonly Prompt[];
  /** Continuations of each prompt. */
  readonly choices: number;
  /** undefined: until the context is full. */
  readonly tokensMax: number | undefined;
  readonly stop: readonly string[];
  readonly sampling: SamplingCall;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Text completions: the answer begins with the prompt. */
  readonly echo: boolean;
}

export const CHOICES_MAX = 8;
export const TOP_LOGPROBS_MAX = 20;
/** Beyond every model's context, and little enough to pass between threads without a pause. */
export const TEXT_CHARACTERS_MAX = 2 * 1024 * 1024;

const TOKENS_MAX = 2 ** 31 - 1;
const STOPS_MAX = 4;
const STOP_BYTES_MAX = 256;
const BIASES_MAX = 1024;
const TOP_K_MAX = 1_000_000;
/** What other servers take as serialized tensors: it would be what the answer is about, so that it cannot be passed over. */
const TENSOR_FIELDS = ["prompt_embeds", "prompt_embeddings", "image_embeds", "multi_modal_data", "mm_processor_kwargs"];

/** @throws ServingError INVALID_ARGUMENT */
export function requestFields(bytes: Uint8Array): Fields {
  const value = parseJsonText(bytes);
  if (isJsonObject(value)) return value;
  throw wrongField("", "the request body must be a JSON object");
}

/** Everything but the prompts, the number of logprobs and the token limit, which the endpoints spell differently. */
export function commonFields(fields: Fields, topLogprobs: number | undefined): Omit<GenerationCall, "prompts" | "echo" | "tokensMax"> {
  const model = stringField(fields, "model");
  if (model === undefined || model === "") throw wrongField("model", "you must provide a model parameter");
  refuseUnsupported(fields, TENSOR_FIELDS);
  const choices = integerField(fields, "n", { min: 1, max: CHOICES_MAX }) ?? 1;
  const stream = booleanField(fields, "stream") ?? false;
  const streamOptions = objectField(fields, "stream_options");
  if (streamOptions !== undefined && !stream) {
    throw wrongField("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
  }
  const includeUsage = booleanField(streamOptions ?? {}, "include_usage") ?? false;
  return { model, choices, stop: stopStrings(field(fields, "stop")), sampling: samplingCall(fields, topLogprobs), stream, includeUsage };
}

export function tokenLimit(fields: Fields, name: string): number | undefined {
  return integerField(fields, name, { min: 1, max: TOKENS_MAX });
}

/** @throws ServingError INVALID_ARGUMENT when a field says something that would change the answer if it were obeyed. */
export function refuseUnsupported(fields: Fields, names: readonly string[]): void {
  const name = names.find((candidate) => isSaid(fields[candidate]));
  if (name !== undefined) throw wrongField(name, `'${name}' is not supported yet: leave it out`);
}

/** No model's context holds so much; known before anything is tokenized. */
export function tooMuchText(param: string): ServingError {
  return new ServingError("INVALID_ARGUMENT", `'${param}' holds more than ${TEXT_CHARACTERS_MAX} characters: shorten it`, {
    reason: "context_length_exceeded",
    param,
  });
}

function samplingCall(fields: Fields, topLogprobs: number | undefined): SamplingCall {
  const topP = numberField(fields, "top_p", { min: 0, max: 1 }) ?? 1;
  return {
    temperature: numberField(fields, "temperature", { min: 0, max: 2 }) ?? 1,
    topK: Math.max(0, integerField(fields, "top_k", { min: -1, max: TOP_K_MAX }) ?? 0),
    topP: topP === 0 ? Number.MIN_VALUE : topP, // the smallest set is one token either way
    minP: numberField(fields, "min_p", { min: 0, max: 1 }) ?? 0,
    repetitionPenalty: numberField(fields, "repetition_penalty", { min: 0.01, max: 10 }) ?? 1,
    presencePenalty: numberField(fields, "presence_penalty", { min: -2, max: 2 }) ?? 0,
    frequencyPenalty: numberField(fields, "frequency_penalty", { min: -2, max: 2 }) ?? 0,
    logitBias: logitBias(fields),
    seed: seedField(field(fields, "seed")),
    topLogprobs,
  };
}

/** Any integer is a seed: its low 64 bits. Beyond 2^53 JSON's numbers are rounded, the same way every time. */
function seedField(value: unknown): bigint | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrongType("seed", "an integer", value);
  return BigInt.asUintN(64, BigInt(value));
}

function stopStrings(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  const stops: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (stops.length > STOPS_MAX) throw wrongField("stop", `Invalid 'stop': at most ${STOPS_MAX} strings, but got ${stops.length}.`);
  return stops.map((stop, index) => {
    const param = Array.isArray(value) ? `stop[${index}]` : "stop";
    if (typeof stop !== "string") throw wrongType(param, "a string", stop);
    if (stop === "") throw wrongField(param, `Invalid '${param}': a stop string must not be empty.`);
    if (Buffer.byteLength(stop) > STOP_BYTES_MAX) throw wrongField(param, `Invalid '${param}': longer than ${STOP_BYTES_MAX} bytes.`);
    return stop.toWellFormed();
  });
}

function logitBias(fields: Fields): readonly (readonly [id: number, bias: number])[] {
  const biases = objectField(fields, "logit_bias");
  if (biases === undefined) return [];
  const ids = Object.keys(biases);
  if (ids.length > BIASES_MAX) throw wrongField("logit_bias", `Invalid 'logit_bias': at most ${BIASES_MAX} tokens, but got ${ids.length}.`);
  return ids.map((id) => {
    const param = `logit_bias.${id.slice(0, 20)}`;
    if (!/^\d{1,9}$/.test(id)) throw wrongField(param, `Invalid '${param}': the key must be a token id.`);
    const bias = biases[id];
    if (typeof bias !== "number") throw wrongType(param, "a number", bias);
    if (!(bias >= -100 && bias <= 100)) throw wrongField(param, `Invalid '${param}': expected a value from -100 to 100, but got ${bias}.`);
    return [Number(id), bias];
  });
}
