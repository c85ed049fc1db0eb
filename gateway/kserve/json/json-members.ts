/** Reads scanned JSON with the texts of Triton's JSON library: wrong types are its INTERNAL errors, HTTP 500. Pure. */

import { internal } from "../triton-error.ts";
import { JsonObject, type JsonValue } from "./json-value.ts";

/** The first member of the name; undefined where there is none, or where the value is no object. */
export function memberOf(value: JsonValue, name: string): JsonValue | undefined {
  return value instanceof JsonObject ? value.get(name) : undefined;
}

/** @param label what stands before the text: `Unable to parse 'shape'`; undefined for the bare text, here and below */
export function requiredMember(value: JsonValue, name: string, label: string | undefined): JsonValue {
  const found = memberOf(value, name);
  if (found !== undefined) return found;
  throw mismatch(label, `attempt to access non-existing object member '${name}'`);
}

export function asText(value: JsonValue, label: string | undefined): string {
  if (typeof value === "string") return value;
  throw mismatch(label, "attempt to access JSON non-string as string");
}

export function asFlag(value: JsonValue, label: string | undefined): boolean {
  if (typeof value === "boolean") return value;
  throw mismatch(label, "attempt to access JSON non-boolean as boolean");
}

/** From 0 to 2^64 - 1, with all digits. */
export function asUnsigned(value: JsonValue, label: string | undefined): number | bigint {
  if ((typeof value === "number" || typeof value === "bigint") && value >= 0) return value;
  throw mismatch(label, "attempt to access JSON non-unsigned-integer as unsigned-integer");
}

/** As `asUnsigned`, for what no machine has 2^53 of: larger values are the nearest double. */
export function asCount(value: JsonValue, label: string | undefined): number {
  return Number(asUnsigned(value, label));
}

export function asArray(value: JsonValue, label: string | undefined): readonly JsonValue[] {
  if (isArray(value)) return value;
  throw mismatch(label, "attempt to access JSON non-array as array");
}

export function asObject(value: JsonValue, label: string | undefined): JsonObject {
  if (value instanceof JsonObject) return value;
  throw mismatch(label, "attempt to access JSON non-object as object");
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function mismatch(label: string | undefined, text: string) {
  return internal(label === undefined ? text : `${label}: ${text}`);
}
