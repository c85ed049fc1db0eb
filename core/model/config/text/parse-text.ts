/** Reads config.pbtxt: protobuf's text format, with the line and column of what is wrong. Pure. */
import type { DescMessage } from "@bufbuild/protobuf";
import { fromText } from "@bufbuild/protobuf/txtpb";
import { type ModelConfig, ModelConfigSchema } from "../../../../protos/gen/model_config_pb.ts";
import { ServingError } from "../../../errors.ts";
import { nearestWord } from "./nearest-word.ts";
import { TextPositions } from "./text-positions.ts";
import { type Position, type TextToken, textTokens } from "./text-tokens.ts";

/** A configuration is written by hand; what is longer is none. */
export const CONFIG_CHARACTERS_MAX = 1024 * 1024;

const TYPE = "inference.ModelConfig";

export interface ParsedConfig {
  readonly config: ModelConfig;
  /** Where its fields stand. */
  readonly positions: TextPositions;
}

/**
 * @param file for the message of a text that is too long
 * @throws ServingError INVALID_ARGUMENT `Error parsing text-format inference.ModelConfig: LINE:COLUMN: what is wrong`
 */
export function parseModelConfig(text: string, file: string): ParsedConfig {
  if (text.length > CONFIG_CHARACTERS_MAX) {
    throw new ServingError(
      "INVALID_ARGUMENT",
      `${file} has ${text.length} characters, a configuration at most ${CONFIG_CHARACTERS_MAX}: is it one?`,
    );
  }
  const failure = parseFailure(text);
  if (failure !== undefined) throw parseError(text, failure);
  return { config: fromText(ModelConfigSchema, text), positions: new TextPositions(text) };
}

/** What the library says, which is no place. */
function parseFailure(text: string): string | undefined {
  try {
    fromText(ModelConfigSchema, text);
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

function parseError(text: string, failure: string): ServingError {
  const tokens = textTokens(text);
  const isCutShort = failure.startsWith("unexpected end of input");
  const token = isCutShort ? undefined : failingToken(text, tokens, failure);
  const { line, column } = token ?? endOf(text);
  const opened = isCutShort ? lastOpened(tokens) : undefined;
  const remark = opened === undefined ? "" : ` (the "${opened.text}" at ${opened.line}:${opened.column} is not closed)`;
  return new ServingError(
    "INVALID_ARGUMENT",
    `Error parsing text-format ${TYPE}: ${line}:${column}: ${inProtobufWords(failure)}${remark}`,
    { reason: "invalid_model_configuration" },
  );
}

/**
 * The library reads from left to right and stops at the first fault, so a text that is cut behind the faulty token fails in the
 * same words, and one that is cut before it in others: the token is found by halving.
 */
function failingToken(text: string, tokens: readonly TextToken[], failure: string): TextToken | undefined {
  let low = 0;
  let high = tokens.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (parseFailure(text.slice(0, tokens[middle]?.end)) === failure) high = middle;
    else low = middle + 1;
  }
  return tokens[low];
}

/** Unknown fields and values in the words that users of Triton know, with the names that exist. */
function inProtobufWords(failure: string): string {
  const [, field, message] = /^unknown field "([^"]*)" for message (\S+)$/.exec(failure) ?? [];
  if (field !== undefined && message !== undefined) {
    const nearest = nearestWord(field, FIELD_NAMES.get(message) ?? []);
    return `Message type "${message}" has no field named "${field}".${nearest === undefined ? "" : ` Did you mean "${nearest}"?`}`;
  }
  const values = VALUE_NAMES.get(/ for enum (\S+)$/.exec(failure)?.[1] ?? "");
  return values === undefined ? failure : `${failure}; there are ${values.join(", ")}`;
}

const { messages, enums } = ModelConfigSchema.file;
const ALL_MESSAGES = messages.flatMap(function nested(message): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(nested)];
});
/** By full name. */
const FIELD_NAMES = namesOf(ALL_MESSAGES, ({ fields }) => fields);
const VALUE_NAMES = namesOf([...enums, ...ALL_MESSAGES.flatMap(({ nestedEnums }) => nestedEnums)], ({ values }) => values);

function namesOf<Type extends { readonly typeName: string }>(
  types: readonly Type[],
  members: (type: Type) => readonly { readonly name: string }[],
): ReadonlyMap<string, readonly string[]> {
  return new Map(types.map((type) => [type.typeName, members(type).map(({ name }) => name)]));
}

function endOf(text: string): Position {
  const lines = text.split("\n");
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

/** The innermost bracket that nothing closes. */
function lastOpened(tokens: readonly TextToken[]): TextToken | undefined {
  const open: TextToken[] = [];
  for (const token of tokens) {
    if (token.kind !== "mark") continue;
    if ("{<[".includes(token.text)) open.push(token);
    else if ("}>]".includes(token.text)) open.pop();
  }
  return open.at(-1);
}
