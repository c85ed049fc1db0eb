/** The parameters of an inference request: what Triton reserves, what it understands, and what goes to the model as it is. Pure. */
import type { ParameterValue } from "../../../core/messages/parameter-value.ts";
import { asCount, asFlag, asText } from "../json/json-members.ts";
import { JsonObject, JsonReal, type JsonValue } from "../json/json-value.ts";
import { internal, invalid } from "../triton-error.ts";

/** More than any client sends; each costs memory in every process on the way. */
const PARAMETERS_MAX = 1_024;
const PRIORITY_MAX = 2 ** 32 - 1;

const RESERVED_HEADERS: readonly string[] = [
  "sequence_id",
  "sequence_start",
  "sequence_end",
  "priority",
  "timeout",
  "headers",
  "binary_data_output",
];

export interface RequestParameters {
  /** What goes on: the client's own, and the sequence's id and flags under their names. */
  readonly values: Map<string, ParameterValue>;
  readonly priority: number;
  readonly timeoutUs: number;
  /** How outputs travel that the request does not list. */
  readonly binaryOutput: boolean;
}

/** @throws ServingError INTERNAL for known keys of the wrong type, INVALID_ARGUMENT for reserved keys and other types */
export function readParameters(json: JsonValue | undefined): RequestParameters {
  const values = new Map<string, ParameterValue>();
  let priority = 0;
  let timeoutUs = 0;
  let binaryOutput = false;
  if (json === undefined) return { values, priority, timeoutUs, binaryOutput };
  if (!(json instanceof JsonObject)) throw internal("failed to get request params.: attempt to access JSON non-object as object");
  checkCount(json.names.length);
  json.names.forEach((name, index) => {
    const value = json.values[index] ?? null;
    const label = `Unable to parse '${name}'`;
    if (name === "sequence_id") values.set(name, sequenceId(value, label));
    else if (name === "sequence_start" || name === "sequence_end") values.set(name, asFlag(value, label));
    else if (name === "priority") priority = Math.min(asCount(value, label), PRIORITY_MAX);
    else if (name === "timeout") timeoutUs = asCount(value, label);
    else if (name === "binary_data_output") binaryOutput = asFlag(value, label);
    else values.set(name, ownParameter(name, value));
  });
  return { values, priority, timeoutUs, binaryOutput };
}

function checkCount(count: number): void {
  if (count > PARAMETERS_MAX) throw invalid(`the request has ${count} parameters, at most ${PARAMETERS_MAX}`);
}

function sequenceId(value: JsonValue, label: string): ParameterValue {
  if (typeof value === "bigint" || (typeof value === "number" && value >= 0)) return BigInt(value);
  return asText(value, label);
}

/** A parameter that only the model understands. @throws ServingError INVALID_ARGUMENT */
export function ownParameter(name: string, value: JsonValue): ParameterValue {
  if (name.startsWith("triton_")) {
    throw invalid("parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.");
  }
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" || typeof value === "bigint") return wholeParameter(BigInt(value));
  if (value instanceof JsonReal) return value.value;
  throw invalid(`parameter '${name.slice(0, 100)}' has invalid type. It should be either 'int', 'bool', or 'string'.`);
}

/** Beyond a signed 64-bit integer it is a double, as in Triton. */
function wholeParameter(value: bigint): ParameterValue {
  return value === BigInt.asIntN(64, value) ? value : Number(value);
}

/**
 * Which headers become parameters: a pattern that may match anywhere in the name, without regard to case unless it begins with
 * `(?-i)`, as RE2 writes that. @throws ServingError INVALID_ARGUMENT when it is no regular expression
 */
export function headerPattern(pattern: string): RegExp {
  const exact = pattern.startsWith("(?-i)");
  try {
    return new RegExp(exact ? pattern.slice(5) : pattern, exact ? "" : "i");
  } catch {
    throw invalid(`'${pattern}' is no regular expression for header names`);
  }
}

/** Adds the headers that match. @throws ServingError INVALID_ARGUMENT for a header with a name that Triton gives a meaning */
export function forwardHeaders(
  headers: readonly (readonly [name: string, value: string])[],
  pattern: RegExp,
  values: Map<string, ParameterValue>,
): void {
  for (const [name, value] of headers) {
    if (!pattern.test(name)) continue;
    if (RESERVED_HEADERS.includes(name.toLowerCase()) || name.toLowerCase().startsWith("triton_")) {
      throw invalid(`Header '${name}' is reserved for Triton usage and cannot be forwarded.`);
    }
    values.set(name, value);
  }
}
