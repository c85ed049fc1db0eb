/** Reads a configuration in JSON, as clients send it to override a file and as `configJson` writes it. Pure. */
import { type DescEnum, type DescMessage, fromJson } from "@bufbuild/protobuf";
import { type ModelConfig, ModelConfigSchema } from "../../../../protos/gen/model_config_pb.ts";
import { ServingError } from "../../../errors.ts";
import { CONFIG_CHARACTERS_MAX } from "./parse-text.ts";

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** @throws ServingError INVALID_ARGUMENT naming the field; unknown fields are errors, names of enumerations may be written in any case */
export function parseModelConfigJson(json: string): ModelConfig {
  if (json.length > CONFIG_CHARACTERS_MAX) {
    throw new ServingError("INVALID_ARGUMENT", `a configuration has at most ${CONFIG_CHARACTERS_MAX} characters, this one ${json.length}`);
  }
  try {
    const value: Json = JSON.parse(json, keepDigits);
    return fromJson(ModelConfigSchema, withEnumNames(value, ModelConfigSchema));
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new ServingError("INVALID_ARGUMENT", `failed to parse the model configuration: ${reason}`, {
      cause: thrown,
      reason: "invalid_model_configuration",
    });
  }
}

/** Whole numbers that a double cannot hold stay text, which protobuf reads as well. */
function keepDigits(_: string, value: Json, context?: { readonly source?: string }): Json {
  const source = context?.source;
  return typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source) ? source : value;
}

/** Names of enumeration values as they are declared, whatever case they were written in. */
function withEnumNames(value: Json, message: DescMessage): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([name, field]): [string, Json] => {
    const known = message.fields.find((one) => one.name === name || one.jsonName === name);
    if (known === undefined) return [name, field];
    const named = (one: Json): Json => {
      if (known.enum !== undefined) return enumName(one, known.enum);
      return known.message === undefined ? one : withEnumNames(one, known.message);
    };
    if (known.fieldKind === "list" && Array.isArray(field)) return [name, field.map(named)];
    if (known.fieldKind === "map" && typeof field === "object" && field !== null && !Array.isArray(field)) {
      return [name, Object.fromEntries(Object.entries(field).map(([key, one]) => [key, named(one)]))];
    }
    return [name, named(field)];
  });
  return Object.fromEntries(entries);
}

function enumName(value: Json, { values }: DescEnum): Json {
  if (typeof value !== "string") return value;
  return values.find(({ name }) => name.toLowerCase() === value.toLowerCase())?.name ?? value;
}
