/** JSON objects as maps that cannot be mistaken for checked values. Pure. */
import { ServingError } from "../../core/errors.ts";

/** @param origin what the bytes are, for messages @throws ServingError DATA_LOSS */
export function parseJsonObject(bytes: Uint8Array, origin: string): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ServingError("DATA_LOSS", `${origin} is no valid JSON`, { cause });
  }
  const fields = objectFields(value);
  if (fields === undefined) throw new ServingError("DATA_LOSS", `${origin} is no JSON object`);
  return fields;
}

/** The fields of an object; undefined for anything else. */
export function objectFields(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : undefined;
}
