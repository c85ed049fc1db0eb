/** The body of the generate extension for a language model: JSON keys are input names, others parameters. Pure. */
import { ServingError } from "../../../core/errors.ts";
import { type InputKind, LANGUAGE_INPUTS } from "../../../core/model/language-signature.ts";
import type { SamplingParameters } from "../../../core/model/sampling-parameters.ts";
import type { BodyParser } from "../../http/body-parser.ts";
import { isJsonObject, parseJsonText } from "../../http/json-text.ts";

export interface GenerateCall {
  readonly id: string | undefined;
  /** undefined: it was not given. */
  readonly text: string | undefined;
  /** The inputs that were given, in the request's order. */
  readonly given: readonly string[];
  readonly tokensMax: number;
  readonly stop: readonly string[];
  readonly sampling: Omit<SamplingParameters, "seed"> & { readonly seed: bigint | undefined };
  /** undefined: as the path says. */
  readonly stream: boolean | undefined;
}

/** vLLM's default, which generate clients are used to. */
const TOKENS_DEFAULT = 16;
const TEXT_CHARACTERS_MAX = 2 * 1024 * 1024;
const STOPS_MAX = 16;
const STOP_BYTES_MAX = 256;

type Values = ReadonlyMap<string, unknown>;

/** @throws ServingError INTERNAL for malformed JSON and wrong types, as in Triton; INVALID_ARGUMENT for wrong values. */
export function parseGenerateRequest(bytes: Uint8Array): GenerateCall {
  const fields = objectOf(bytes);
  const inputs = new Map<string, unknown>();
  const parameters = new Map<string, unknown>();
  for (const [key, value] of Object.entries(fields)) {
    if (isInput(key)) inputs.set(key, value);
    else if (key === "parameters") for (const entry of Object.entries(parametersOf(value))) parameters.set(...checkedParameter(...entry));
    else if (key !== "id") parameters.set(...checkedParameter(key, value));
  }
  const values: Values = new Map([...parameters, ...inputs]);
  const text = scalarOf(values, "text_input", readString);
  if (text !== undefined && text.length > TEXT_CHARACTERS_MAX) {
    throw invalid(`text_input holds more than ${TEXT_CHARACTERS_MAX} characters: shorten it`);
  }
  return {
    id: typeof fields.id === "string" || typeof fields.id === "number" ? String(fields.id) : undefined,
    text: text?.toWellFormed(),
    given: [...inputs.keys()],
    tokensMax: within(values, "max_tokens", TOKENS_DEFAULT, { min: 1, max: 2 ** 31 - 1 }),
    stop: stopWords(values),
    sampling: samplingOf(values),
    stream: scalarOf(values, "stream", readBoolean),
  };
}

export const generateParser: BodyParser<GenerateCall> = {
  parse: parseGenerateRequest,
  module: new URL(import.meta.url),
  name: parseGenerateRequest.name,
};

function samplingOf(values: Values): GenerateCall["sampling"] {
  const topP = within(values, "top_p", 1, { min: 0, max: 1 });
  const seed = scalarOf(values, "random_seed", readInteger);
  return {
    temperature: within(values, "temperature", 1, { min: 0, max: 2 }),
    topK: Math.max(0, within(values, "top_k", 0, { min: -1, max: 1_000_000 })),
    topP: topP === 0 ? Number.MIN_VALUE : topP, // the smallest set is one token either way
    minP: 0,
    repetitionPenalty: within(values, "repetition_penalty", 1, { min: 0.01, max: 10 }),
    presencePenalty: within(values, "presence_penalty", 0, { min: -2, max: 2 }),
    frequencyPenalty: within(values, "frequency_penalty", 0, { min: -2, max: 2 }),
    logitBias: [],
    seed: seed === undefined ? undefined : BigInt.asUintN(64, BigInt(seed)),
    topLogprobs: undefined,
  };
}

interface GenerateFields {
  readonly id?: unknown;
}

function objectOf(bytes: Uint8Array): GenerateFields {
  if (bytes.byteLength === 0) throw internal("failed to parse the request JSON buffer: The document is empty. at 0");
  try {
    const value = parseJsonText(bytes);
    if (isJsonObject(value)) return value;
  } catch (thrown) {
    const error = ServingError.from(thrown);
    if (error.reason !== "malformed_json") throw error;
    const position = /\d+$/.exec(error.message)?.[0] ?? "0";
    throw internal(`failed to parse the request JSON buffer: Invalid value. at ${position}`, error);
  }
  throw internal("attempt to access JSON non-object as object");
}

function isInput(name: string): boolean {
  return LANGUAGE_INPUTS.some((input) => input.name === name);
}

function parametersOf(value: unknown): Readonly<Record<string, unknown>> {
  if (isJsonObject(value)) return value;
  throw invalid("Expected JSON object for keyword: 'parameters'");
}

function checkedParameter(key: string, value: unknown): readonly [string, unknown] {
  if (key.startsWith("triton_")) {
    throw invalid("parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.");
  }
  if (isInput(key) || typeof value !== "object") return [key, value];
  throw invalid(`parameter '${key.slice(0, 100)}' has invalid type. It should be either 'int', 'bool', or 'string'.`);
}

function scalarOf<T>(values: Values, name: string, read: (value: unknown) => T): T | undefined {
  const value = values.get(name);
  if (value === undefined) return undefined;
  return read(Array.isArray(value) && value.length === 1 ? value[0] : value); // a tensor of one element is as good as a scalar
}

function within(values: Values, name: string, fallback: number, { min, max }: { readonly min: number; readonly max: number }): number {
  const kind: InputKind | undefined = LANGUAGE_INPUTS.find((input) => input.name === name)?.kind;
  const value = scalarOf(values, name, kind === "integer" ? readInteger : readNumber) ?? fallback;
  if (value >= min && value <= max) return value;
  throw invalid(`input '${name}' must be from ${min} to ${max}, got ${value}`);
}

function stopWords(values: Values): readonly string[] {
  const value = values.get("stop_words");
  if (value === undefined) return [];
  const words: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (words.length > STOPS_MAX) throw invalid(`input 'stop_words' holds ${words.length} words, at most ${STOPS_MAX}`);
  const stops = words.map(readString).filter((word) => word !== "");
  const long = stops.find((stop) => Buffer.byteLength(stop) > STOP_BYTES_MAX);
  if (long !== undefined) throw invalid(`input 'stop_words' holds a word of more than ${STOP_BYTES_MAX} bytes`);
  return stops.map((stop) => stop.toWellFormed());
}

function readString(value: unknown): string {
  if (typeof value === "string") return value;
  throw internal("attempt to access JSON non-string as string");
}

function readBoolean(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw internal("attempt to access JSON non-boolean as boolean");
}

function readNumber(value: unknown): number {
  if (typeof value === "number") return value;
  throw internal("attempt to access JSON non-number as double");
}

function readInteger(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw internal("attempt to access JSON non-signed-integer as signed-integer");
}

function invalid(message: string): ServingError {
  return new ServingError("INVALID_ARGUMENT", message);
}

function internal(message: string, cause?: ServingError): ServingError {
  return new ServingError("INTERNAL", message, cause === undefined ? {} : { cause });
}
