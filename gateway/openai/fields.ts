/** Reads the fields of a request's JSON: a wrong type or value is refused by the field's name. null counts as absent. Pure. */
import { ServingError } from "../../core/errors.ts";
import { isJsonObject } from "../http/json-text.ts";

export type Fields = Readonly<Record<string, unknown>>;

export interface NumberRange {
  readonly min: number;
  readonly max: number;
}

/** @returns an INVALID_ARGUMENT that names the field; `param` is its path, such as `messages[0].content`. */
export function wrongField(param: string, message: string): ServingError {
  return new ServingError("INVALID_ARGUMENT", message, { param });
}

export function wrongType(param: string, expected: string, value: unknown): ServingError {
  return wrongField(param, `Invalid type for '${param}': expected ${expected}, but got ${typeName(value)} instead.`);
}

/** The field's value; undefined when it is absent or null. */
export function field(fields: Fields, name: string): unknown {
  return fields[name] ?? undefined;
}

export function stringField(fields: Fields, name: string): string | undefined {
  const value = field(fields, name);
  if (value === undefined || typeof value === "string") return value;
  throw wrongType(name, "a string", value);
}

export function booleanField(fields: Fields, name: string): boolean | undefined {
  const value = field(fields, name);
  if (value === undefined || typeof value === "boolean") return value;
  throw wrongType(name, "a boolean", value);
}

export function numberField(fields: Fields, name: string, { min, max }: NumberRange): number | undefined {
  const value = field(fields, name);
  if (value === undefined) return undefined;
  if (typeof value !== "number") throw wrongType(name, "a number", value);
  if (value >= min && value <= max) return value;
  throw wrongField(name, `Invalid '${name}': expected a value from ${min} to ${max}, but got ${value} instead.`);
}

export function integerField(fields: Fields, name: string, range: NumberRange): number | undefined {
  const value = numberField(fields, name, range);
  if (value === undefined || Number.isInteger(value)) return value;
  throw wrongType(name, "an integer", value);
}

export function objectField(fields: Fields, name: string): Fields | undefined {
  const value = field(fields, name);
  if (value === undefined || isJsonObject(value)) return value;
  throw wrongType(name, "an object", value);
}

/** Whether a field says anything: absent, null, an empty array and an empty string do not. */
export function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "number") return Number.isInteger(value) ? "an integer" : "a decimal number";
  return `a ${typeof value}`;
}
